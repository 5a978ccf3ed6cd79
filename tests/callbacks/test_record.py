import math

import pytest

from lightune.callbacks import BestAndLast, Record
from lightune.callbacks.record import measures


def test_the_best_epoch_and_its_measures_are_kept(fit_scripted):
    record = Record("val/accuracy", "max")
    fit_scripted([0.2, 0.9, 0.5], callbacks=[record])
    assert (record.best.value, record.best.epoch) == (pytest.approx(0.9), 1)
    assert record.metrics["val/accuracy"] == pytest.approx(0.9)
    assert record.epochs == 3


def test_without_a_finite_figure_there_is_no_best_epoch(fit_scripted):
    record = Record("val/accuracy", "max")
    fit_scripted([math.nan, math.nan], callbacks=[record])
    assert (record.best.value, record.best.epoch, record.metrics, record.epochs) == (None, None, {}, 2)


def test_the_training_measures_are_those_of_the_best_epoch_too(fit_scripted):
    record = Record("val/accuracy", "max")
    fit_scripted([0.2, 0.9, 0.5], callbacks=[record])
    assert record.metrics["train/figure"] == pytest.approx(0.9)


def test_a_metric_of_the_training_has_the_same_best_epoch_as_its_checkpoint(fit_scripted):
    record, checkpoint = Record("train/figure", "max"), BestAndLast("train/figure", "max")
    fit_scripted([0.2, 0.9, 0.5], callbacks=[record, checkpoint], enable_checkpointing=True)
    assert record.best.epoch == checkpoint.best.epoch == 1


def test_the_speed_is_samples_over_training_time_without_validation_and_the_first_epoch(fit_scripted):
    # the clock is read when the training begins; in an epoch when it begins, when the validation begins and ends,
    # and twice when it ends
    seconds = iter([0.0, 0, 1, 4, 50, 50, 50, 51, 54, 55, 55, 55, 56, 59, 60, 60])
    record = Record("val/accuracy", "max", clock=lambda: next(seconds))
    fit_scripted([0.1, 0.2, 0.3], callbacks=[record])
    assert (record.train_seconds, record.validate_seconds) == (47 + 2 + 2, 9)
    assert record.samples_per_second == pytest.approx(2 * 5 / (2 + 2))  # five samples an epoch


def test_a_single_epoch_is_counted_although_it_is_the_first(fit_scripted):
    seconds = iter(range(1000))
    record = Record("val/accuracy", "max", clock=lambda: float(next(seconds)))
    fit_scripted([0.1], callbacks=[record])
    assert record.samples_per_second == pytest.approx(5 / 2)


def test_before_any_training_there_is_no_speed():
    assert Record("val/accuracy", "max").samples_per_second is None


def test_the_test_has_a_clock_of_its_own():
    seconds = iter([10.0, 12.5])
    record = Record("val/accuracy", "max", clock=lambda: next(seconds))
    record.on_test_start(None, None)
    record.on_test_end(None, None)
    assert record.test_seconds == 2.5


def test_measures_leave_the_learning_rate_out(fit_scripted):
    trainer = fit_scripted([0.5])
    trainer.callback_metrics["train/lr"] = trainer.callback_metrics["val/accuracy"]
    assert measures(trainer) == {"val/accuracy": 0.5, "train/figure": 0.5}


def test_figures_saved_before_one_was_kept_are_gone_on_with():
    record, saved = Record("val/accuracy", "max"), Record("val/accuracy", "max")
    saved.epochs = 3
    state = saved.state_dict()
    del state["validate_seconds"]
    record.load_state_dict(state)
    assert (record.epochs, record.validate_seconds) == (3, 0.0)
