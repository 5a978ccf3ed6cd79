"""Studies whose answers were planted, and what the terminal's lines and the page's data say of them."""

import contextlib
import html
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
from reported_studies import SPACE, drawn_points, write_planted, write_right

from lightune.report.advice import advice
from lightune.report.analysis import analyse
from lightune.report.next_search import next_search
from lightune.report.page import page
from lightune.report.study_data import read_study

COUNT, SAMPLES = 60, 400
FIXED = ("data=digits", "regularization=dropout", "search=random")
SWEPT = (
    "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    "regularization.dropout=interval(0.0,0.6)",
    "model.units=32,64,128",
    "optimizer=adam,sgd",
)


def at(point, key):
    """Return where a value of an interval lies, from 0 to 1."""
    about, number = SPACE[key], float(point[key])
    if about["log"]:
        return float(np.log(number / about["low"]) / np.log(about["high"] / about["low"]))
    return (number - about["low"]) / (about["high"] - about["low"])


def rate_in_the_middle(point):
    return 0.9 - 0.5 * abs(at(point, "optimizer.lr") - 0.5)


def rate_at_its_upper_end(point):
    return 0.5 + 0.4 * at(point, "optimizer.lr")


def one_optimizer_is_useless(point):
    return 0.9 - 0.5 * abs(at(point, "optimizer.lr") - 0.5) - (0.4 if point["optimizer"] == "sgd" else 0.0)


def rate_and_dropout_interact(point):
    return 0.9 - 0.5 * abs(at(point, "optimizer.lr") - at(point, "regularization.dropout"))


def nothing(point):
    return 0.8


LAWS = (
    rate_in_the_middle,
    rate_at_its_upper_end,
    one_optimizer_is_useless,
    rate_and_dropout_interact,
    nothing,
)


class Answers:
    """What is said of a study.

    Args:
        study: read from its files.
    """

    def __init__(self, study):
        analysis = analyse(study)
        self.lines = dict(advice(study, analysis))
        self.mattered = [key.rpartition(".")[2] for key in analysis.mattered]
        self.luck, self.best = analysis.luck, study.best[0]
        self.next = next_search(study, analysis)
        text = page(study, analysis, spans={})
        self.page = html.unescape(re.sub(r"<[^>]+>", " ", text))
        self.data = json.loads(
            re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
        )


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return what is said of a study that follows a law, which is what networks get right of 400 samples."""
    known = {}

    def asked(law):
        if law not in known:
            home = tmp_path_factory.mktemp("planted")
            folder = home / "outputs" / "studies" / law.__name__
            folder.parent.mkdir(parents=True)
            points = drawn_points(COUNT, SPACE, seed=3)
            generator = np.random.default_rng(4)
            hits = {
                tuple(point.values()): generator.random(SAMPLES) < np.clip(law(point), 0.02, 0.98)
                for point in points
            }
            write_planted(
                folder, points, lambda point: float(hits[tuple(point.values())].mean()), space=SPACE,
                overrides=[*FIXED, *SWEPT],
            )  # fmt: skip
            for number, point in enumerate(points):
                write_right(folder / "trials" / str(number), hits[tuple(point.values())])
            with contextlib.chdir(home):
                known[law] = Answers(read_study(folder))
        return known[law]

    return asked


@pytest.mark.parametrize(
    ("law", "mattered"),
    [
        (rate_in_the_middle, {"lr"}),
        (rate_at_its_upper_end, {"lr"}),
        (one_optimizer_is_useless, {"lr", "optimizer"}),
        (nothing, set()),
    ],
)
def test_what_mattered(answers, law, mattered):
    said = answers(law)
    assert set(said.mattered) == mattered
    told, _, untold = said.lines["mattered"].partition("not told from chance: ")
    for name in ("lr", "dropout", "units", "optimizer"):
        assert (f"{name} " in told) is (name in mattered)
        assert (name in untold.split(", ")) is (name not in mattered)
    assert said.lines["mattered"] in said.page


@pytest.mark.parametrize("law", LAWS)
def test_what_to_try_next(answers, law):
    said = answers(law)
    assert said.next.command in said.page
    if law in (nothing, rate_and_dropout_interact):  # neither matters where the other may be anything
        assert said.next.reason.startswith("more trials of this study")
        return
    words = shlex.split(said.next.command)
    (rate,) = (word for word in words if word.startswith("optimizer.lr="))
    low, high = map(float, re.fullmatch(r"optimizer\.lr=tag\(log,interval\((.+),(.+)\)\)", rate).groups())
    if law is rate_at_its_upper_end:
        assert high > 0.1
    else:
        assert 0.0001 < low < 0.0032 < high < 0.1
    fixed = [word for word in words if re.fullmatch(r"(regularization\.dropout|model\.units)=[\d.]+", word)]
    assert len(fixed) == 2
    assert ("optimizer=adam" in words) or law is not one_optimizer_is_useless


@pytest.mark.parametrize("law", LAWS)
def test_whether_the_gain_is_real(answers, law):
    said = answers(law)
    truth = law(said.best.point)
    assert said.luck.low <= truth <= said.luck.high
    assert said.luck.expected < said.luck.found
    assert abs(said.luck.expected - truth) < 0.035  # two standard errors of a figure on 400 samples
    assert f"expect {said.luck.expected:.4f}" in said.lines["best"]
    assert said.lines["best"] in said.page
    if law is nothing:  # all of what the best is better than the others is luck
        assert said.luck.found > 0.83
        assert abs(said.luck.expected - 0.8) < 0.012


@pytest.mark.parametrize("law", LAWS)
def test_what_ended_at_its_bound(answers, law):
    said = answers(law).lines.get("at its bound", "")
    assert ("lr=" in said and "the upper end of 0.0001 to 0.1" in said) is (law is rate_at_its_upper_end)
    assert not re.search(r"dropout|units|optimizer=", said)


@pytest.mark.parametrize("law", LAWS)
def test_what_cost_time(answers, law):
    said = answers(law).lines.get("costs", "")
    expected = {
        one_optimizer_is_useless: "optimizer=sgd took",
        rate_at_its_upper_end: "lr from 0.001 to 0.01 took",
    }
    if law in expected:
        assert said.startswith(expected[law])
    else:
        assert "optimizer" not in said
        assert "units" not in said
    if law is nothing:
        assert said == ""


@pytest.mark.parametrize("law", LAWS)
def test_which_two_interact(answers, law):
    said = answers(law)
    assert said.data["interacts"] is (law is rate_and_dropout_interact)
    assert ("no two are told from chance to interact" in said.page) is (law is not rate_and_dropout_interact)
    if said.data["interacts"]:
        names = {said.data["columns"][place]["name"].rpartition(".")[2] for place in said.data["pair"]}
        assert names == {"lr", "dropout"}


@pytest.mark.parametrize(("last", "said"), [(True, True), (False, False)])
def test_whether_training_was_too_short(tmp_path, last, said):
    folder = write_planted(tmp_path / "s", drawn_points(12, SPACE), rate_in_the_middle, space=SPACE)
    study = read_study(folder)
    late = [
        replace(trial, run=replace(trial.run, best_epoch=4 if last or trial.number == study.best[0].number else 1))
        for trial in study.trials
    ]
    lines = dict(advice(replace(study, trials=tuple(late)), analyse(study)))
    assert ("the best was reached in the last of 5 epochs: train longer" in lines.get("at its bound", "")) is said
