"""The line of chance."""

import numpy as np

from lightune.statistics.noise import noise_lines


def test_chance_crosses_any_of_the_lines_in_one_study_of_twenty():
    generator = np.random.default_rng(0)
    scale = np.array([1.0, 10.0, 0.1])
    crossed = 0
    for _ in range(600):
        lines = noise_lines(generator.exponential(size=(60, 3)) * scale)
        crossed += bool((generator.exponential(size=3) * scale > lines).any())
    assert 0.02 < crossed / 600 < 0.08


def test_a_parameter_that_chance_never_moves_has_its_line_there():
    by_chance = np.column_stack([np.zeros(50), np.linspace(0, 1, 50)])
    assert noise_lines(by_chance)[1] > 0.9
