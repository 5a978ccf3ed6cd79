import json

import pytest
from reported_studies import write_by_rate

from lightune.report.ablation import Change, Effect, Estimate, Pruned
from lightune.report.analysis import analyse
from lightune.report.explained import Explanation, keep_explanation, read_explanation
from lightune.report.page import page
from lightune.report.study_data import read_study

TOLD = Effect(
    Change("optimizer.lr", "lr", "0.001", "0.01"), Estimate(0.02, 0.001, 3), Estimate(0.04, 0.001, 3),
    Estimate(0.03, 0.001, 3),
)  # fmt: skip
UNTOLD = Effect(
    Change("optimizer.momentum", "momentum", "0.0", "<b>", ("optimizer",)), None, Estimate(0.01, None, 1),
    Estimate(0.01, None, 1),
)  # fmt: skip
FAILED = Effect(Change("seed", "seed", "1", "2"), None, None, None)


@pytest.fixture
def study(tmp_path):
    return read_study(write_by_rate(tmp_path / "s", count=12))


def found(study, **about):
    content = {
        "trial": study.best[0].number, "metric": study.metric, "effects": (TOLD, UNTOLD, FAILED),
        "total": Estimate(0.05, 0.01, 3), "pruned": Pruned(4, 1, 0.97, 0.01), "alike": ("units",),
        "withheld": ("hydra.launcher.x",),
    }  # fmt: skip
    return Explanation(**{**content, **about})


def test_what_is_kept_is_read_back(study):
    explanation = found(study)
    keep_explanation(study.folder, explanation)
    assert read_explanation(study.folder) == explanation
    rows = (study.folder / "explain" / "changes.csv").read_text().splitlines()
    assert rows[1] == "optimizer.lr,0.001,0.01,0.03,0.001,0.02,0.001,0.04,0.001,3"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"changes": 1}', '{"changes": [{"key": 1}]}', None])
def test_nothing_is_made_of_what_is_no_explanation(study, content):
    (study.folder / "explain").mkdir()
    if content is not None:
        (study.folder / "explain" / "changes.json").write_text(content)
    assert read_explanation(study.folder) is None


def test_a_row_says_what_a_change_needs_and_whether_it_is_told_from_chance(study):
    rows = found(study).rows()
    assert rows[0] == (
        "lr", "0.001 -> 0.01", "+0.0300 ± 0.0010", "+0.0200 ± 0.0010", "+0.0400 ± 0.0010", "",
    )  # fmt: skip
    assert rows[1][0] == "momentum (given optimizer)"
    assert rows[1][-1] == "not told from chance"
    assert rows[2][2:] == ("-", "-", "-", "a training of it failed")


def test_lines_say_what_was_left_out_and_that_another_trial_is_the_best_by_now(study):
    lines = found(study).lines(study)
    assert lines == [
        f"in all  +0.0500 ± 0.0100 of {study.metric}, over 3 seeds",
        "as by default: units",
        "without hydra.launcher.x, which only whoever types it can vouch for",
        "pruning  4 pruned trials trained to the end: 1 better than the best, val/accuracy 0.9700 (+0.0100)",
    ]
    other = 0 if study.best[0].number else 1
    assert found(study, trial=other).lines(study)[-1].startswith(f"this is of trial {other}; trial ")


def test_the_page_has_it_and_runs_none_of_its_words(study):
    assert "What bought what" not in page(study, analyse(study), spans={})
    keep_explanation(study.folder, found(study))
    text = page(study, analyse(study), spans={})
    assert "What bought what" in text
    assert "0.0 -&gt; &lt;b&gt;" in text
    assert "-> <b>" not in text


def test_show_has_it(study, tool):
    keep_explanation(study.folder, found(study))
    assert "momentum (given optimizer)" in tool("show", study.folder).out
    told = json.loads(tool("show", study.folder, "--json").out)
    assert [change["key"] for change in told["explained"]["changes"]] == [
        "optimizer.lr", "optimizer.momentum", "seed",
    ]  # fmt: skip
