"""What is computed of a study, as plain values."""

import subprocess
import sys

import pytest

from lightune.report.findings import Importance, Luck


def test_a_parameter_matters_if_chance_would_not_reach_it():
    assert Importance("lr", 0.4, 0.3).matters
    assert not Importance("lr", 0.3, 0.3).matters


def test_luck_is_how_far_the_figure_is_from_what_is_to_be_expected():
    assert Luck(0.95, 0.93).gain == pytest.approx(0.02)
    assert Luck(0.10, 0.15).gain == pytest.approx(0.05)
    assert Luck(0.95).gain is None


def test_what_was_computed_before_is_shown_without_numpy():
    code = "import sys, lightune.report.analysis, lightune.report.advice; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
