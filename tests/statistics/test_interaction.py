"""Which two parameters interact."""

import itertools

import numpy as np

from lightune.statistics.interaction import levels_of, most_interacting


def test_the_pair_is_found_whose_effect_is_no_sum():
    generator = np.random.default_rng(0)
    a, b, c = generator.integers(0, 3, size=(3, 200))
    values = 3.0 * c + np.where(a == b, 1.0, 0.0) + generator.normal(0, 0.1, 200)
    found = most_interacting({"a": a, "b": b, "c": c}, values)
    assert (found.first, found.second) == ("a", "b")
    assert found.p < 1e-6


def test_the_probability_is_that_of_any_pair():
    generator = np.random.default_rng(0)
    levels = {name: generator.integers(0, 2, size=60) for name in "abcd"}
    values = generator.normal(size=60)
    pairs = [
        most_interacting({one: levels[one], other: levels[other]}, values).p
        for one, other in itertools.combinations("abcd", 2)
    ]
    found = most_interacting(levels, values)
    assert min(pairs) < found.p <= 1


def test_too_few_trials_have_no_pair():
    assert most_interacting({"a": [0, 1, 0], "b": [1, 0, 1]}, [0.1, 0.2, 0.3]) is None
    assert most_interacting({"a": [], "b": []}, []) is None


def test_levels_are_thirds():
    assert levels_of([5.0, 1.0, 3.0, 2.0, 6.0, 4.0]) == [2, 0, 1, 0, 2, 1]
