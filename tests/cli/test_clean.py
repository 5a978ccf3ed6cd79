"""`lightune clean`: what there is, what would go, what goes."""

import json
import os
import time

import pytest
from reported_studies import write_by_rate, write_result

from lightune.study.storage.lease import Lease
from lightune.training.run_owner import only_owner

OF_A_RUN = (".hydra/config.yaml", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "result.json")


def write_checkpoints(folder):
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("best", "last"):
        (folder / "checkpoints" / f"{name}.ckpt").write_bytes(b"x" * 1_000_000)


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Write a study of three trials, a finished run, one that failed, one that was cut off, and a cache."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "outputs"
    study = write_by_rate(root / "studies" / "study", 3)
    ends = (("done", 0.9, "completed"), ("broke", None, "failed"), ("cut", 0.5, "interrupted"))
    runs = [write_result(root / "runs" / "run" / name, value, status=status) for name, value, status in ends]
    for folder in (*(study / "trials" / str(number) for number in range(3)), *runs):
        write_checkpoints(folder)
    (root / "cache").mkdir()
    (root / "cache" / "a.bin").write_bytes(b"x" * 500_000)
    return root


def content(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_without_an_option_all_kinds_are_shown_and_nothing_is_removed(outputs, tool):
    before = content(outputs)
    code, out, _ = tool("clean")
    lines = [line.split("  ")[0] for line in out.splitlines() if line.startswith("--")]
    assert (code, lines) == (0, ["--last", "--checkpoints", "--failed", "--unfinished", "--cache"])
    assert "4 files, 4.0 MB" in out
    assert "nothing was removed" in out
    assert content(outputs) == before


@pytest.mark.parametrize(
    ("option", "gone"),
    [
        ("--last", ["runs/run/done/checkpoints/last.ckpt",
                    *(f"studies/study/trials/{number}/checkpoints/last.ckpt" for number in range(3))]),
        ("--failed", [f"runs/run/broke/{name}" for name in OF_A_RUN]),
        ("--unfinished", [f"runs/run/cut/{name}" for name in OF_A_RUN]),
        ("--cache", ["cache/a.bin"]),
    ],
)  # fmt: skip
def test_what_is_asked_for_goes_with_yes_and_stays_without(outputs, tool, option, gone):
    before = content(outputs)
    code, out, _ = tool("clean", option)
    assert (code, f"would remove {len(gone)} file" in out, content(outputs)) == (0, True, before)
    code, out, _ = tool("clean", option, "--yes")
    assert (code, f"removed {len(gone)} file" in out) == (0, True)
    notes = [name for name in content(outputs) if name.endswith("removed.txt")]
    assert sorted({*content(outputs), *gone} - {*notes}) == before
    assert len(notes) == (4 if option == "--last" else 0)
    assert tool("clean", option, "--yes").out.startswith("there is nothing to remove")


def test_of_a_study_all_checkpoints_go_but_the_best_trials(outputs, tool):
    assert tool("clean", "outputs/studies/study", "--checkpoints", "--last", "--yes").code == 0
    left = [name for name in content(outputs / "studies") if name.endswith(".ckpt")]
    assert len(left) == 1
    assert left[0].endswith("best.ckpt")
    assert (outputs / "runs/run/done/checkpoints/last.ckpt").exists()
    code, _, err = tool("predict", "outputs/runs/run/done", "--input", "x.csv")  # another's are as they were
    assert code == 2
    assert "was removed" not in err


def test_where_and_age_narrow_it_and_the_cache_is_nobodys(outputs, tool):
    old = outputs / "runs" / "run" / "cut"
    long_ago = time.time() - 40 * 86_400
    for path in (*old.rglob("*"), old):
        os.utime(path, (long_ago, long_ago))
    shown = json.loads(tool("clean", "--json", "--older", "30").out)
    assert [(each["kind"], each["folder"].rpartition("/")[2]) for each in shown] == [("unfinished", "cut")]
    shown = json.loads(tool("clean", "--json", "--where", "value > 0.8 and kind = run").out)
    assert {each["folder"].rpartition("/")[2] for each in shown} == {"done"}
    assert {each["removed"] for each in shown} == {False}


def test_what_is_at_work_is_left_alone_and_named(outputs, tool):
    run, study = outputs / "runs" / "run" / "cut", outputs / "studies" / "study"
    before = content(outputs)
    lease = Lease(study)
    try:
        with only_owner(run):
            _, out, _ = tool("clean", "--unfinished", "--checkpoints", "--cache", "--yes")
    finally:
        lease.end()
    assert "left alone: outputs/runs/run/cut, which is at work" in out
    assert "left alone: outputs/studies/study, which is at work" in out
    gone = {name for name in before if not (outputs / name).exists()}
    assert gone == {f"runs/run/done/checkpoints/{name}.ckpt" for name in ("best", "last")}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--yes"], "--yes  needs what is to be removed: --last, --checkpoints, --failed, --unfinished, --cache"),
        (["--older", "-1"], "--older  must be a number of days >= 0, got -1"),
        (["--older", "x"], "--older"),
        (["nowhere"], "ROOT  must be a folder of runs and studies, got nowhere"),
        (["--where", "value >"], "--where"),
    ],
)
def test_what_makes_no_sense_is_refused(outputs, tool, words, said):
    before = content(outputs)
    code, _, err = tool("clean", *words)
    assert (code, said in err) == (2, True)
    assert content(outputs) == before


def test_a_link_out_of_the_folder_is_refused_before_anything_is_removed(outputs, tool, tmp_path):
    (outputs / "studies" / "study" / "trials" / "1" / "elsewhere").symlink_to(tmp_path)
    before = content(outputs / "runs")
    code, _, err = tool("clean", "--failed", "--yes")
    assert (code, "is a link to" in err) == (2, True)
    assert content(outputs / "runs") == before


@pytest.mark.parametrize("root", ["study", "outputs/studies/study", "outputs/runs/run/done"])
def test_the_cache_is_no_single_runs_or_studys(outputs, tool, root):
    code, _, err = tool("clean", root, "--cache")
    assert code == 2
    assert "--cache  is for an output_root, whose runs and studies share it, got outputs/" in err


def test_a_study_is_found_by_its_name(outputs, tool):
    assert "2 files, 2.0 MB" in tool("clean", "study", "--checkpoints")[1]


def test_where_there_is_nothing_it_says_so(tmp_path, monkeypatch, tool):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    assert tool("clean").out == "nothing can be removed of 0 runs and studies below outputs\n"
