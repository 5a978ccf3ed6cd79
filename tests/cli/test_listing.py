"""`lightune list`: what there is, how far it is, how it goes on."""

import json

import pytest
from reported_studies import write_by_rate, write_result

from lightune.study.storage.lease import Lease


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Write two studies and two runs below the folder of outputs."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "outputs"
    done = write_by_rate(root / "studies" / "done", 4)
    (done / "multirun.yaml").write_text("note: the first that worked\ntags: [baseline, digits]\n")
    words = ["optimizer.lr=interval(0.1,1)", "search.n_trials=4", "search.study=cut"]
    write_by_rate(root / "studies" / "cut", 4, n_trials=9, overrides=words)
    write_result(
        root / "runs" / "run" / "a", 0.9, objective={"metric": "val/accuracy", "value": 0.9, "std": 0.0123}
    )
    write_result(root / "runs" / "run" / "b", 0.5, status="interrupted")
    return root


def listed(tool, *words):
    return {entry["folder"].rpartition("/")[2]: entry for entry in json.loads(tool("list", "--json", *words)[1])}


def test_what_is_not_over_has_the_command_that_goes_on(outputs, tool):
    out = tool("list")[1]
    assert "go on with" in out
    assert "python train.py -m 'optimizer.lr=interval(0.1,1)' search.n_trials=9 search.study=cut" in out
    assert "lightune-train resume=outputs/runs/run/b" in out
    entries = listed(tool)
    assert (entries["cut"]["status"], entries["cut"]["trials"]) == ("unfinished", 4)
    assert entries["done"]["go_on_with"] is None


def test_one_study_is_listed_by_its_name_and_what_is_nowhere_is_refused(outputs, tool):
    assert list(listed(tool, "cut")) == list(listed(tool, "outputs/studies/cut")) == ["cut"]
    code, out, err = tool("list", "nowhere")
    assert (code, out) == (2, "")
    assert "ROOT  there is no file or folder " in err


def test_notes_tags_and_spreads_are_shown(outputs, tool):
    out = tool("list")[1]
    assert "the first that worked #baseline #digits" in out
    assert "val/accuracy 0.9000 ± 0.012" in out
    entry = listed(tool)["done"]
    assert (entry["note"], entry["tags"], entry["kind"]) == (
        "the first that worked",
        ["baseline", "digits"],
        "study",
    )
    assert listed(tool)["a"]["std"] == 0.0123


def test_a_study_that_is_at_work_is_running_and_not_to_be_resumed(outputs, tool):
    lease = Lease(outputs / "studies" / "cut")
    try:
        entry = listed(tool)["cut"]
    finally:
        lease.end()
    assert (entry["status"], entry["go_on_with"]) == ("running", None)


def test_entries_are_chosen_and_sorted(outputs, tool):
    assert set(listed(tool, "--where", "kind = run and value > 0.6")) == {"a"}
    assert set(listed(tool, "--where", "tags ~ base")) == {"done"}
    assert list(listed(tool, "--where", "kind = run", "--sort", "value")) == ["b", "a"]
    assert list(listed(tool, "--where", "kind = run", "--sort", "value", "--reverse")) == ["a", "b"]
    assert "there are no studies and no runs that --where asks for below" in tool("list", "--where", "kind = x")[1]
    code, _, err = tool("list", "--sort", "valu")
    assert (code, "did you mean 'value'?" in err) == (2, True)
