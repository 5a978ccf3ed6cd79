import pytest

from lightune.callbacks import Pruning


@pytest.fixture
def pruned_at(fit_scripted):
    """Train on figures; return the callback, what it reported, and the trainer."""

    def run(values, stop_at, **settings):
        reported = []

        def report(step, value):
            reported.append((step, round(value, 4)))
            return step == stop_at

        callback = Pruning("val/accuracy", report)
        trainer = fit_scripted(values, callbacks=[callback], **settings)
        return callback, reported, trainer

    return run


def test_each_epoch_but_the_last_is_reported(pruned_at):
    callback, reported, trainer = pruned_at([0.1, 0.3, 0.2], stop_at=None)
    assert reported == [(1, 0.1), (2, 0.3)]
    assert not callback.pruned
    assert trainer.current_epoch == 3


def test_a_figure_is_reported_once_where_not_every_epoch_is_validated(pruned_at):
    _, reported, _ = pruned_at([0.1, 0.3, 0.2, 0.4, 0.5], stop_at=None, check_val_every_n_epoch=2)
    assert reported == [(2, 0.3), (4, 0.4)]


def test_a_pruned_training_stops_at_once(pruned_at):
    callback, reported, trainer = pruned_at([0.1, 0.3, 0.2, 0.4], stop_at=2)
    assert callback.pruned
    assert [step for step, _ in reported] == [1, 2]
    assert trainer.current_epoch == 2


def test_what_is_trained_to_its_end_is_complete(pruned_at):
    callback, _, trainer = pruned_at([0.1, 0.3], stop_at=2)
    assert not callback.pruned
    assert trainer.current_epoch == 2
