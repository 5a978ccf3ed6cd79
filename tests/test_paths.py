import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from lightune.paths import (
    absence,
    conf_dir,
    create_run_dir,
    is_inside,
    is_plain_name,
    program_typed,
    resume_command,
    row_name,
    shell_folder,
    shown_path,
    torchrun_size,
    typed_as,
    typed_in,
    typed_override,
)


def test_the_configuration_has_its_root_file():
    assert (conf_dir() / "train.yaml").is_file()


def test_only_torchrun_tells_how_many_processes_it_has_started(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # left behind by something else
    assert torchrun_size() == 1
    monkeypatch.setenv("RANK", "0")
    assert torchrun_size() == 4


@pytest.mark.parametrize("name", ["a", "run_1", "2026-01-31_12-00-00", "lr=0.1", "a.b+c", "A" * 100])
def test_a_name_that_can_be_one_folder_is_plain(name):
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "-rf", "~", "$HOME", "ä", "a:b", "A" * 101]
)
def test_a_name_that_could_be_something_else_is_not_plain(name):
    assert not is_plain_name(name)


def test_a_path_below_the_root_is_inside(tmp_path):
    assert is_inside(tmp_path / "runs" / "one", tmp_path)
    assert is_inside(str(tmp_path / "runs"), str(tmp_path))


def test_the_root_itself_its_parent_and_its_namesake_are_not_inside(tmp_path):
    root = tmp_path / "out"
    for path in (root, root / "a" / "..", tmp_path, root / ".." / "other", tmp_path / "outside"):
        assert not is_inside(path, root)


def test_relative_paths_are_judged_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_inside("out/run", "out")
    assert is_inside("out/run", tmp_path / "out")
    assert not is_inside("run", "out")


def test_a_link_that_leads_out_of_the_root_is_not_inside(tmp_path):
    root, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "link").symlink_to(elsewhere)
    assert not is_inside(root / "link" / "run", root)
    (tmp_path / "door").symlink_to(root)
    assert is_inside(tmp_path / "door" / "run", root)


def test_a_path_is_shown_from_the_folder_where_the_command_was_typed(tmp_path, monkeypatch):
    run = tmp_path / "outputs" / "run 1"
    run.mkdir(parents=True)
    monkeypatch.chdir(run)
    assert shown_path(run) == "."
    with typed_in(str(tmp_path)):
        assert shown_path(run) == "outputs/run 1"
        assert shown_path(tmp_path.parent) == str(tmp_path.parent)
        assert resume_command(run, "train") == "train 'resume=\"outputs/run 1\"'"
        assert shell_folder() == str(tmp_path)
    assert shell_folder() == str(run)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("out/studies/s/trials/3", "trial 3, s"),
        ("out/studies/s/explain/trained/trials/3", "trial 3, s/explain/trained"),
        ("out/studies/s/lr=0.1", "s/lr=0.1"),
        ("out/studies/trials/3", "trials/3"),
        ("out/runs/net/2026-01-31_12-00-00", "net/2026-01-31_12-00-00"),
        ("out/mine", "mine"),
        ("out", "out"),
        ("elsewhere/trials/3", "../elsewhere/trials/3"),
    ],
)
def test_a_row_has_a_short_name_that_no_other_has(folder, name):
    assert row_name(folder, "out") == name


def test_what_another_program_would_do_is_typed_as_that_program():
    typed = program_typed()
    with typed_as("lightune-train"):
        assert program_typed() == "lightune-train"
    assert program_typed() == typed != "lightune-train"


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("yes", "a.b=yes"),
        ("gekündigt", """'a.b="gekündigt"'"""),
        ('6" nail', """'a.b="6\\" nail"'"""),
        (["", "a b"], """'a.b=["","a b"]'"""),
    ],
)
def test_what_is_typed_is_read_as_it_was_meant(value, typed):
    import shlex

    assert typed_override("a.b", value) == typed
    (word,) = shlex.split(typed)
    assert OverridesParser.create().parse_override(word).value() in (value, str(value))


def test_a_run_folder_is_made_with_its_parents(tmp_path):
    wanted = str(tmp_path / "runs" / "digits" / "first")
    assert create_run_dir(wanted) == wanted
    assert Path(wanted).is_dir()


def test_a_run_folder_that_is_taken_gets_the_next_number(tmp_path):
    wanted = str(tmp_path / "run")
    assert [create_run_dir(wanted) for _ in range(3)] == [wanted, f"{wanted}_2", f"{wanted}_3"]


def test_a_file_takes_a_name_too(tmp_path):
    (tmp_path / "run").write_text("here first")
    assert create_run_dir(str(tmp_path / "run")) == str(tmp_path / "run_2")
    assert (tmp_path / "run").read_text() == "here first"


def test_the_created_path_is_spelled_as_it_was_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert create_run_dir("runs/one") == "runs/one"


def test_runs_that_start_together_share_no_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create_run_dir, [str(tmp_path / "run")] * 24))
    assert len(set(made)) == 24
    assert sorted(os.listdir(tmp_path)) == sorted(Path(path).name for path in made)


@pytest.mark.parametrize(
    "address", ["s3://bucket/t.csv", "gs://b/t", "https://x.org/t.csv", Path("s3://bucket/t.csv")]
)
def test_an_address_is_no_file_and_the_way_round_is_told(address):
    said = absence(address)
    assert f"must be a file or folder of this machine, got the address {address}; copy it here first" in said


def test_what_is_absent_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absence("no.csv") == absence(Path("no.csv")) == f"there is no file or folder {tmp_path / 'no.csv'}"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        create_run_dir(str(tmp_path / "file" / "run"))


def test_a_name_that_the_file_system_refuses_is_an_error_and_not_a_name_that_is_taken(tmp_path):
    with pytest.raises(OSError, match="too long"):
        create_run_dir(str(tmp_path / ("a" * 300)))
