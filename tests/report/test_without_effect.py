"""What is said of studies without any effect: at most one in twenty says something, within what chance allows.

Each statistic of the page and the terminal is run on 850 simulated studies; at an error rate of 5 % two standard
errors of that are 1.5 points.
"""

from dataclasses import replace

import numpy as np
import pytest
from reported_studies import drawn_points, write_planted

from lightune.report.ablation import Change, Plan, Steps, effects_of
from lightune.report.advice import bound_line, cost_line
from lightune.report.analysis import Analysis
from lightune.report.findings import Luck
from lightune.report.importances import importances_of
from lightune.report.points import grouped
from lightune.report.study_data import read_study
from lightune.statistics.best_of_many import corrected_best
from lightune.statistics.comparison import holm, mcnemar, nadeau_bengio, paired_bootstrap, paired_t, welch
from lightune.statistics.interaction import levels_of, most_interacting

pytestmark = pytest.mark.slow

STUDIES, MOST = 850, 0.065
RATE = {"low": 0.0001, "high": 0.1, "log": True}
SHARE = {"low": 0.0, "high": 0.6, "log": False}
WIDTH = {"values": ["32", "64", "128"]}
WORD = {"values": ["adam", "sgd"]}
NOTHING = Analysis(0, ((),), Luck(None))


@pytest.fixture
def studies(tmp_path):
    """Return a function that yields studies whose values have nothing to do with their points."""

    def made(space, count, points=None):
        for number in range(STUDIES):
            generator = np.random.default_rng([number, 1])  # other draws than those of the points
            values = iter(generator.random(count))
            folder = tmp_path / f"{len(space)}_{count}_{number}"
            drawn = points or drawn_points(count, space, seed=number)
            write_planted(
                folder, drawn, lambda point, values=values: float(next(values)), space=space, files=False
            )
            study = read_study(folder)
            trials = []
            for trial in study.trials:
                run = replace(
                    trial.run, status="completed", epochs=(epochs := int(generator.integers(4, 30))),
                    best_epoch=int(generator.integers(epochs)),
                )  # fmt: skip
                trials.append(replace(trial, seconds=float(generator.lognormal(3, 0.5)), run=run))
            yield replace(study, trials=tuple(trials))

    return made


def rate(said):
    """Return in which share of cases something was said."""
    said = list(said)
    assert len(said) >= STUDIES
    return sum(map(bool, said)) / len(said)


@pytest.mark.parametrize(
    ("space", "permutations"),
    [({"units": WIDTH, "optimizer": WORD}, 60), ({"lr": RATE, "units": WIDTH}, 39)],  # intervals take their time
    ids=["listed", "interval"],
)
def test_no_parameter_matters_or_ends_at_its_bound(studies, space, permutations):
    mattered, bounds = [], []
    for study in studies(space, 20):
        found = importances_of(study, permutations=permutations)
        mattered.append(any(each.matters for each in found))
        bounds.append("end of" in bound_line(study, Analysis(20, (tuple(found),), Luck(None))))
    assert rate(mattered) <= MOST
    assert rate(bounds) <= MOST


@pytest.mark.parametrize(
    ("space", "count"), [({"lr": RATE}, 6), ({"lr": RATE, "dropout": SHARE}, 9), ({"units": WIDTH}, 3)], ids=str
)
def test_nothing_ends_at_its_bound_where_trials_are_too_few_for_importances(studies, space, count):
    points = [{"units": value} for value in WIDTH["values"]] if "units" in space else None
    assert rate("end of" in bound_line(study, NOTHING) for study in studies(space, count, points)) <= MOST


@pytest.mark.parametrize("count", [3, 12, 40])
def test_training_is_not_too_short(studies, count):
    assert rate("train longer" in bound_line(study, NOTHING) for study in studies({"lr": RATE}, count)) <= MOST


@pytest.mark.parametrize("count", [8, 24, 60])
def test_nothing_costs_time_without_gain(studies, count):
    space = {"lr": RATE, "dropout": SHARE, "units": WIDTH, "optimizer": WORD}
    assert rate(cost_line(study) for study in studies(space, count)) <= MOST


@pytest.mark.parametrize("count", [24, 60])
def test_no_two_parameters_interact(studies, count):
    space = {"lr": RATE, "dropout": SHARE, "units": WIDTH, "optimizer": WORD}
    told = []
    for number in range(STUDIES):
        generator = np.random.default_rng(number)
        levels = {
            key: generator.integers(len(about["values"]), size=count)
            if "values" in about
            else levels_of(generator.random(count))
            for key, about in space.items()
        }
        pair = most_interacting(levels, generator.random(count))
        told.append(pair is not None and pair.p <= 0.05)
    assert rate(told) <= MOST


def test_effects_that_add_up_are_no_interaction():
    told = []
    for number in range(STUDIES):
        generator = np.random.default_rng(number)
        levels = {key: generator.integers(3, size=60) for key in "abc"}
        values = 0.9 + 0.02 * levels["a"] - 0.01 * levels["b"] + generator.normal(0, 0.02, 60)
        told.append(most_interacting(levels, values).p <= 0.05)
    assert rate(told) <= MOST


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_change_is_told_from_chance_by_its_seeds_only_where_it_is_one(seeds):
    change, steps = Change("lr", "lr", "1", "2"), Steps({"lr": "1"}, {"lr": "2"}, {"lr": "1"})
    plan = Plan((change,), (steps,), {"lr": "1"}, {"lr": "2"}, (), {}, ())
    told = []
    for number in range(STUDIES):
        values = np.random.default_rng(number).normal(0.9, 0.01, size=(3, seeds))
        (effect,) = effects_of(
            plan,
            lambda point, values=values: values[int(point["lr"]), int(point["seed"])],
            mode="max",
            seeds=range(seeds),
        )
        told.append(effect.both.is_told_from_chance)
    assert rate(told) <= MOST


def of_folds(generator):
    """Return the figures of two networks that are equally good in five folds: centroids of one of two columns."""
    targets = generator.integers(2, size=200)
    columns = generator.normal(size=(2, 200)) + targets
    folds = np.arange(200) % 5
    figures = np.empty((2, 5))
    for which, column in enumerate(columns):
        for fold in range(5):
            train = folds != fold
            middle = (column[train & (targets == 0)].mean() + column[train & (targets == 1)].mean()) / 2
            figures[which, fold] = ((column > middle) == targets)[~train].mean()
    return figures


COMPARED = {
    "mcnemar": lambda draw: mcnemar(*(draw.random((2, 270)) < 0.85)),
    "paired_bootstrap": lambda draw: paired_bootstrap(*draw.gamma(2.0, size=(2, 60)), resamples=600),
    "nadeau_bengio": lambda draw: nadeau_bengio(*of_folds(draw), test_share=0.25),
    "paired_t": lambda draw: paired_t(*draw.normal(0.9, 0.01, size=(2, 5))),
    "welch": lambda draw: welch(draw.normal(0.9, 0.01, size=4), draw.normal(0.9, 0.02, size=6)),
}


@pytest.mark.parametrize("kind", COMPARED)
def test_no_difference_is_found(kind):
    assert rate(COMPARED[kind](np.random.default_rng(number)).p < 0.05 for number in range(STUDIES)) <= MOST


def test_no_difference_is_found_among_several_that_are_compared_with_the_first():
    said = []
    for number in range(STUDIES):
        first, *others = np.random.default_rng(number).random((5, 270)) < 0.85
        said.append(min(holm([mcnemar(first, other).p for other in others])) < 0.05)
    assert rate(said) <= MOST


@pytest.mark.parametrize("networks", [16, 64])
@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_the_corrected_best_of_equal_networks_is_what_each_is_worth(networks, alike):
    right, samples, found, missed = 0.9, 270, [], []
    for number in range(STUDIES):
        generator = np.random.default_rng(number)
        shared = generator.random(samples) < right
        own = generator.random((networks, samples)) < right
        scores = np.where(generator.random((networks, samples)) < alike, shared, own).astype(np.float64)
        corrected = corrected_best(scores, mode="max", resamples=100)
        found.append(corrected.value - right)
        missed.append(not corrected.low <= right <= corrected.high)
    assert abs(np.mean(found)) < 0.003
    assert rate(missed) <= MOST


def test_the_best_of_points_with_seeds_is_ranked_by_their_means(tmp_path):
    """The mean over seeds of the best point is lucky too, by less than the best of all trials is."""
    space = {"lr": {"values": list("01234567")}, "seed": {"values": list("0123")}}
    points = [{"lr": rate, "seed": seed} for rate in space["lr"]["values"] for seed in space["seed"]["values"]]
    lucky = []
    for number in range(40):
        values = iter(np.random.default_rng(number).normal(0.9, 0.01, len(points)))
        write_planted(
            tmp_path / str(number), points, lambda point, values=values: float(next(values)), space=space,
            files=False, sampler=None,
        )  # fmt: skip
        study = read_study(tmp_path / str(number))
        best = grouped(study).best_first()[0]
        assert best.seeds == 4
        lucky.append(best.reached - 0.9)
    assert np.mean(lucky) < 0.0125  # 1.42 standard errors of a mean of four, that of the best of eight
