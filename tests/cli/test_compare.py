"""`lightune compare`: what it says, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest
from reported_studies import write_result


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Write two runs that were tested on the same rows, the second better."""
    monkeypatch.chdir(tmp_path)
    first = np.random.default_rng(0).random(200) < 0.7
    second = first | (np.random.default_rng(1).random(200) < 0.4)
    for name, right in (("a", first), ("b", second)):
        write_result(tmp_path / name, 0.9, metrics={"val/accuracy": 0.9, "test/f1": 0.7, "test/loss": 0.5})
        lines = [f"0,{row},x,{'x' if hit else 'y'},0.5" for row, hit in enumerate(right)]
        (tmp_path / name / "predictions.csv").write_text(
            "\n".join(["fit,row,target,predicted,p_x", *lines]) + "\n"
        )
        (tmp_path / name / ".hydra" / "config.yaml").write_text(
            f"optimizer: {{lr: 0.{len(lines)}}}\nmodel: {name}\n"
        )
    return tmp_path


def test_a_comparison_names_its_test_and_what_it_rests_on(runs, tool):
    code, out, _ = tool("compare", "a", "b")
    assert code == 0
    for words in (
        "A  a", "B  b", "model", "B is better", "95 % between +0.",
        "exact McNemar test, on 200 test rows; assumes that",
        "test/f1  A and B: 0.7000 and 0.7000; no test: it is no mean over samples",
        "test/loss  A and B: 0.5000 and 0.5000; no test: the figure of each sample was not kept",
    ):  # fmt: skip
        assert words in out, words


def test_what_cannot_be_told_apart_is_said_with_what_could_have_been_seen(runs, tool):
    out = tool("compare", "a", "a")[1]
    assert "their configurations are the same" in out
    assert "not told from chance" in out
    assert "in four of five such comparisons a difference of 0." in out


def test_json_has_everything(runs, tool):
    about = json.loads(tool("compare", "a", "b", "--json")[1])
    assert about["configuration"] == [{"key": "model", "values": ["a", "b"]}]
    assert about["metrics"][0]["test"]["p"] < 0.001
    assert about["metrics"][1]["test"] is None


def test_what_cannot_be_compared_is_refused_all_at_once(runs, tool):
    code, _, err = tool("compare", "a")
    assert (code, "takes two or more" in err) == (2, True)
    code, _, err = tool("compare", "a", "nowhere", "gone")
    assert (code, err.count("is neither a run nor a study")) == (2, 2)
    (runs / "b" / "predictions.csv").write_text("fit,row,target,predicted,p_x\n0,999,x,x,1\n")
    code, _, err = tool("compare", "a", "b")
    assert (code, "were tested on other rows (0 of 200 are the same)" in err) == (2, True)


def test_a_comparison_takes_no_torch(runs):
    code = "import sys; from lightune.cli.tools import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", "a", "b"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
