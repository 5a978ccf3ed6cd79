import math
from types import SimpleNamespace

import pytest
import torch

from lightune.callbacks.best import Best


def judged(values, *, metric="val/accuracy", mode="max", every=1, validating=False):
    """Return the epochs that were the best so far, and what is kept at the end."""
    best = Best(metric, mode)
    epochs = []
    for epoch, value in enumerate(values):
        measured = {} if value is None else {metric: torch.tensor(value)}
        trainer = SimpleNamespace(
            callback_metrics=measured, current_epoch=epoch, check_val_every_n_epoch=every, validating=validating
        )
        if best.judge(trainer):
            epochs.append(epoch)
    return epochs, best.value, best.epoch


def test_higher_is_better_for_max_and_lower_for_min():
    values = [0.5, 0.75, 0.25, 1.0, 0.5]
    assert judged(values, mode="max") == ([0, 1, 3], 1.0, 3)
    assert judged(values, mode="min") == ([0, 2], 0.25, 2)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_tie_is_not_better(mode):
    assert judged([0.5, 0.5, 0.5], mode=mode) == ([0], 0.5, 0)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_the_best(mode, value):
    assert judged([value, 0.5, value], mode=mode) == ([1], 0.5, 1)
    assert judged([value], mode=mode) == ([], None, None)


def test_a_metric_that_is_not_measured_is_never_the_best():
    assert judged([None, None]) == ([], None, None)
    assert judged([None, 0.5]) == ([1], 0.5, 1)


def test_a_figure_of_an_earlier_validation_is_not_judged_again():
    values = [0.9, 0.5, 0.6, 0.7]  # validated after the second and the fourth epoch; the others are left over
    assert judged(values, every=2) == ([1, 3], pytest.approx(0.7), 3)


def test_training_is_measured_every_epoch_however_seldom_validation_is():
    assert judged([0.25, 0.5, 0.75], metric="train/accuracy", every=2) == ([0, 1, 2], 0.75, 2)


def test_a_validation_that_does_not_count_epochs_is_always_fresh():
    assert judged([0.25, 0.5], every=None) == ([0, 1], 0.5, 1)


def test_a_metric_of_the_training_is_not_judged_by_a_validation_within_the_epoch():
    assert judged([0.5], metric="train/accuracy", validating=True) == ([], None, None)
    assert judged([0.5], metric="val/accuracy", validating=True) == ([0], 0.5, 0)
