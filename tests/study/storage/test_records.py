"""Which of several trials are the best."""

import random

import pytest

from lightune.study.definition.settings import Objective
from lightune.study.storage.records import best_of, best_points, folder_of, is_seed

LEAST, MOST = Objective("a", "min"), Objective("b", "max")


def best(trials, *objectives):
    """Return the names of the best of some trials: (name, values, point)."""
    chosen = best_of(trials, objectives=objectives, values=lambda trial: trial[1], point=lambda trial: trial[2])
    return [trial[0] for trial in chosen]


@pytest.mark.parametrize(("objective", "name"), [(LEAST, 1), (MOST, 2)])
def test_of_one_objective_there_is_one_best(objective, name):
    assert best([(0, (2.0,), "p"), (1, (1.0,), "q"), (2, (3.0,), "r"), (3, (1.0,), "s")], objective) == [name]


def test_of_no_trial_none_is_the_best():
    assert best([], LEAST) == best([], LEAST, MOST) == []


def test_the_front_has_those_that_none_is_better_than_in_every_objective():
    trials = [(0, (1.0, 1.0), "p"), (1, (2.0, 2.0), "q"), (2, (3.0, 1.0), "r"), (3, (0.5, 0.0), "s")]
    assert best(trials, LEAST, MOST) == [0, 1, 3]


def test_a_point_that_was_tried_again_stands_on_the_front_once_and_another_of_its_values_too():
    trials = [(0, (1.0, 1.0), "p"), (1, (1.0, 1.0), "q"), (2, (1.0, 1.0), "p"), (3, (1.0, 0.5), "q")]
    assert best(trials, LEAST, MOST) == [0, 1]


def test_the_front_is_that_of_all_pairs():
    draw = random.Random(0)
    trials = [(i, (draw.randint(0, 9), draw.randint(0, 9), draw.randint(0, 9)), i) for i in range(300)]
    modes = (LEAST, MOST, LEAST)

    def beats(one, other):
        a, b = (one[1][0], -one[1][1], one[1][2]), (other[1][0], -other[1][1], other[1][2])
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    expected = [trial[0] for trial in trials if not any(beats(other, trial) for other in trials)]
    assert best(trials, *modes) == expected


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere", "trials/../../x", "", None, 3, ["trials/0"]])
def test_a_record_names_no_folder_outside_of_the_study(name):
    assert folder_of({"folder": name}) is None


def test_a_record_names_a_folder_of_the_study():
    assert folder_of({"folder": "trials/0"}) == "trials/0"
    assert folder_of({}) is None


def best_point(trials, *objectives, whole=True):
    """Return names, means and deviations of the best points of some trials: (name, values, point)."""
    chosen = best_points(
        trials, objectives=objectives, values=lambda trial: trial[1], point=lambda trial: trial[2], whole=whole
    )
    return [([trial[0] for trial in each.trials], each.means, each.deviations) for each in chosen]


LUCKY = [(0, (1.0,), "p"), (1, (9.0,), "p"), (2, (6.0,), "q"), (3, (7.0,), "q"), (4, (0.5,), "r")]


def test_the_best_mean_over_its_seeds_is_best_and_not_the_luckiest_seed():
    assert best_point(LUCKY, MOST) == [([2, 3], (6.5,), (pytest.approx(0.5**0.5),))]


def test_a_point_of_a_grid_whose_seeds_are_not_all_there_is_best_only_in_a_sampled_search():
    assert best_point(LUCKY, LEAST) == [([0, 1], (5.0,), (pytest.approx(32**0.5),))]
    assert best_point(LUCKY, LEAST, whole=False) == [([4], (0.5,), ())]


def test_a_front_is_one_of_means():
    trials = [(0, (1.0, 0.0), "p"), (1, (3.0, 0.0), "p"), (2, (1.5, 1.0), "q"), (3, (1.5, 3.0), "q")]
    assert [names for names, _, _ in best_point(trials, LEAST, MOST)] == [[2, 3]]
    assert best_point([], LEAST, MOST) == []


def test_the_seed_is_a_key_of_its_own():
    assert [is_seed(key) for key in ("seed", "+seed", "validation.split_seed", "data.seed")] == [
        True,
        True,
        False,
        False,
    ]
