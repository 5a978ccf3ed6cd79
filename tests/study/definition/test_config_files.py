"""Which configuration files a study's options name, and which these name."""

import pytest

from lightune.study.definition.config_files import chosen_groups, files_of, reachable

CHOSEN = {"config", "db/mysql", "db/engine/innodb", "shape/flat"}
ROOT = {"base", "shape/flat", "local/machine", "_self_"}
PLAN = {"tool/", "db/sqlite", "plan/_self_"}


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["x=1,2"], CHOSEN),
        (["db=mysql,sqlite"], {*CHOSEN, "db/sqlite"}),
        (["db=sqlite"], {"config", "db/sqlite", "shape/flat"}),
        (["+plan=small,null"], {*CHOSEN, "plan/small"}),
        (["+plan=[small,other],null"], {*CHOSEN, "plan/small", "plan/other"}),
        (["shape@here=flat,round"], {*CHOSEN, "shape/round"}),
        (["x=range(0,3)"], CHOSEN),
    ],
)
def test_options_are_those_that_are_chosen_and_those_that_are_swept(options, arguments, chosen):
    found = {name for name in options(*arguments) if not name.startswith(("hydra/", "local/", "x/"))}
    assert found == chosen


def test_an_option_that_must_be_chosen_and_is_swept_counts(files, options):
    (files / "config.yaml").write_text("defaults: [db: '???', _self_]\n")
    assert {"db/mysql", "db/sqlite"} <= options("db=mysql,sqlite")


def test_the_groups_of_options_are_all_that_lies_beside_them():
    assert chosen_groups({"config", "db/mysql", "db/engine/wal"}) == {"config", "db/", "db/engine/"}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["config"], {*ROOT, "db/mysql", "db/engine/innodb"}),
        (["config", "db/sqlite"], ROOT),
        (["db/mysql"], {"db/engine/innodb"}),
        (["plan/small"], PLAN),
        (["config", "plan/small"], {*ROOT, *PLAN, "db/mysql", "db/engine/innodb"}),
        (["db/"], {"db/engine/innodb"}),
        (["nowhere"], set()),
    ],
)
def test_what_is_named_by_what_is_named_is_reached(files, names, found):
    assert reachable([files], names) == {*names, *found}


def test_a_name_may_be_typed_with_its_suffix(files):
    assert "base" in reachable([files], ["config.yaml"])


def test_every_folder_of_the_search_path_is_looked_through(files, tmp_path):
    (tmp_path / "more" / "db").mkdir(parents=True)
    (tmp_path / "more" / "db" / "mysql.yaml").write_text("defaults: [extra]\n")
    assert {"db/extra", "db/engine/innodb"} <= reachable([files, tmp_path / "more"], ["db/mysql"])


@pytest.mark.parametrize("text", ["defaults: [a", "defaults: 3", "- defaults", "\x00defaults", "defaults: {a: b}"])
def test_a_file_with_no_list_of_defaults_names_nothing(files, text):
    (files / "db" / "mysql.yaml").write_text(text)
    assert reachable([files], ["db/mysql"]) == {"db/mysql"}


def test_a_file_that_is_no_text_names_nothing(files):
    (files / "db" / "mysql.yaml").write_bytes(b"defaults: [\xff]")
    assert reachable([files], ["db/mysql"]) == {"db/mysql"}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["db/mysql", "db/mysql.yaml", "db/nosuch"], {"db/mysql.yaml"}),
        (["db/"], {"db/mysql.yaml", "db/sqlite.yaml", "db/engine/innodb.yaml", "db/engine/wal.yaml"}),
        (["old"], {"old.yml"}),
        (["nosuch/"], set()),
    ],
)
def test_files_have_a_name_or_lie_below_a_group(files, names, found):
    (files / "old.yml").write_text("a: 1\n")
    (files / "db" / "notes.txt").write_text("no configuration\n")
    assert {path.relative_to(files).as_posix() for path in files_of(files, names)} == found


@pytest.mark.parametrize("left", [".hydra/config.yaml", "multirun.yaml", ".leases/1-a"])
def test_what_runs_and_studies_left_below_a_folder_is_no_configuration(files, left):
    before = files_of(files, [""])
    (files / "out" / "0" / left).parent.mkdir(parents=True)
    (files / "out" / "0" / left).touch()
    (files / "out" / "0" / "best.yaml").write_text("a: 1\n")
    (files / ".git").mkdir()
    (files / ".git" / "hook.yaml").write_text("a: 1\n")
    assert files_of(files, [""]) == before
    assert files / "deep" / "below" / "data.yaml" in before
