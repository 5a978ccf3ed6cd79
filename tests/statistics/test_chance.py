"""How often chance alone would say the same."""

import itertools
import math

import pytest

from lightune.statistics.chance import all_missed, at_least, rank_correlation


def test_none_of_the_marked_is_drawn_as_often_as_among_all_draws():
    draws = list(itertools.combinations(range(7), 3))
    assert all_missed(7, 2, 3) == pytest.approx(sum(not {0, 1} & set(draw) for draw in draws) / len(draws))
    assert all_missed(7, 5, 3) == 0
    assert all_missed(7, 0, 3) == 1


def test_hits_of_unequal_chances_are_counted_over_all_ways():
    chances = [0.1, 0.5, 0.25]
    ways = itertools.product([0, 1], repeat=3)
    expected = sum(
        math.prod(chance if hit else 1 - chance for chance, hit in zip(chances, way, strict=True))
        for way in ways
        if sum(way) >= 2
    )
    assert at_least(2, chances) == pytest.approx(expected)
    assert at_least(0, chances) == pytest.approx(1)
    assert at_least(0, []) == 1


def test_a_trend_is_told_from_chance_where_there_are_enough():
    assert rank_correlation([1, 2, 3], [0.1, 0.2, 0.3]) > 0.2  # two of six orders are as good
    assert rank_correlation([1, 2, 3, 4, 5, 6], [0.1, 0.2, 0.3, 0.4, 0.6, 0.5]) < 0.05
    assert rank_correlation([1, 1, 2, 2], [0.5, 0.5, 0.5, 0.5]) == 1
    assert rank_correlation([1, 2, 3, 4, 5, 6], [3, 1, 2, 6, 4, 5]) > 0.05
