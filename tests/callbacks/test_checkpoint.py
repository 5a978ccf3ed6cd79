import math
from collections import Counter, OrderedDict, deque

import pytest
import torch
from pytorch_lightning import Callback

from lightune.callbacks import BestAndLast, checkpoint
from lightune.callbacks.checkpoint import _copied
from lightune.checkpoints import DESCRIBED, is_resumable, read_checkpoint


class Counting(BestAndLast):
    """Counts how often the last epoch is written, and the best."""

    writings = writings_of_best = 0

    def _save(self, trainer, name):
        self.writings += name == "last"
        self.writings_of_best += name == "best"
        super()._save(trainer, name)

    def write_kept(self, trainer):
        self.writings_of_best += self._kept is not None
        super().write_kept(trainer)


class Clock(Callback):
    """Lets the time that the best waits pass before an epoch; reads what is on the disk when that has begun."""

    def __init__(self, checkpoint, *, before):
        self.checkpoint, self.before = checkpoint, before

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.before:
            self.checkpoint._best_at -= 7200

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.before:
            self.found = epoch_of(self.checkpoint.folder(trainer) / "best.ckpt")


class Failing(Callback):
    """Fails in the fourth epoch, or as one starts."""

    def __init__(self, *, start_of=None):
        self.start_of = start_of

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.start_of:
            raise RuntimeError("on purpose")

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 3:
            raise RuntimeError("on purpose")


class Swapping(Callback):
    """Validates other weights than it trains, in the second epoch.

    Args:
        measured: what the validation measures; None: what is trained.
        trained: what is put back.
    """

    def __init__(self, *, measured=None, trained):
        self.measured, self.trained = measured, trained

    def on_validation_start(self, trainer, pl_module):
        if trainer.current_epoch == 1 and self.measured is not None:
            pl_module.weight.data.fill_(self.measured)

    def on_validation_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.weight.data.fill_(self.trained)


def epoch_of(path):
    """Return the epoch, counted from 0, after which a checkpoint of the scripted module was written."""
    return read_checkpoint(path)["state_dict"]["weight"].item() - 1


@pytest.fixture
def checkpoints(tmp_path):
    return tmp_path / "checkpoints"


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 1)])
def test_the_best_epoch_and_the_last_are_written(fit_scripted, checkpoints, mode, best):
    callback = BestAndLast(mode=mode)
    fit_scripted([0.5, 0.3, 0.9, 0.6], callbacks=[callback], enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == callback.best.epoch == best
    assert epoch_of(checkpoints / "last.ckpt") == 3
    assert sorted(file.name for file in checkpoints.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_a_tie_does_not_replace_the_best(fit_scripted, checkpoints):
    fit_scripted([0.2, 0.5, 0.5], callbacks=[BestAndLast()], enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == 1


def test_nan_is_never_the_best(fit_scripted, checkpoints):
    fit_scripted([math.nan, 0.1, math.nan], callbacks=[BestAndLast()], enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == 1


def test_without_a_finite_figure_there_is_no_best_but_there_is_a_last(fit_scripted, checkpoints):
    fit_scripted([math.nan, math.nan], callbacks=[BestAndLast()], enable_checkpointing=True)
    assert [file.name for file in checkpoints.glob("*.ckpt")] == ["last.ckpt"]


def test_the_last_epoch_is_written_after_the_first_and_at_the_end_while_time_is_short(fit_scripted, checkpoints):
    callback = Counting(every_seconds=3600)
    fit_scripted([0.1, 0.2, 0.3, 0.4], callbacks=[callback], enable_checkpointing=True)
    assert callback.writings == 2
    assert epoch_of(checkpoints / "last.ckpt") == 3


def test_the_best_epoch_waits_while_time_is_short(fit_scripted, checkpoints):
    callback = Counting(every_seconds=3600)
    callback.best_waits = 3600.0
    fit_scripted([0.1, 0.2, 0.3, 0.4, 0.3], callbacks=[callback], enable_checkpointing=True)
    assert callback.writings_of_best == 2  # after the first epoch, and at the end
    assert epoch_of(checkpoints / "best.ckpt") == 3
    assert epoch_of(checkpoints / "last.ckpt") == 4


def test_the_best_epoch_that_waited_is_written_in_its_time(fit_scripted, checkpoints):
    callback = Counting(every_seconds=3600)
    callback.best_waits = 3600.0
    clock = Clock(callback, before=3)
    fit_scripted([0.1, 0.9, 0.3, 0.2], callbacks=[clock, callback], enable_checkpointing=True)
    assert clock.found == 1
    assert callback.writings_of_best == 2


def test_nothing_waits_where_every_epoch_shall_be_saved(fit_scripted):
    callback = Counting(every_seconds=0)
    callback.best_waits = 3600.0
    fit_scripted([0.1, 0.2, 0.3], callbacks=[callback], enable_checkpointing=True)
    assert callback.writings_of_best == 3


def test_the_best_epoch_that_waits_is_written_when_a_training_fails(fit_scripted, checkpoints):
    callback = BestAndLast()
    callback.best_waits = 3600.0
    with pytest.raises(RuntimeError, match="on purpose"):
        fit_scripted([0.1, 0.9, 0.3, 0.2], callbacks=[callback, Failing()], enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == 1
    assert epoch_of(checkpoints / "last.ckpt") == 0


def test_a_best_epoch_that_was_not_saved_yet_is_written_when_a_training_fails(fit_scripted, checkpoints):
    with pytest.raises(RuntimeError, match="on purpose"):
        fit_scripted([0.1, 0.9, 0.3], callbacks=[Failing(start_of=2), BestAndLast()], enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == 1
    assert epoch_of(checkpoints / "last.ckpt") == 0
    assert not is_resumable(read_checkpoint(checkpoints / "best.ckpt"))


@pytest.mark.parametrize(
    ("swapping", "best"),
    [(Swapping(trained=math.nan), 1), (Swapping(measured=math.nan, trained=2.0), 0)],
    ids=["those of now are not finite", "those that were measured are not finite"],
)
def test_the_weights_that_gave_the_figure_must_be_finite(fit_scripted, checkpoints, swapping, best):
    callbacks = [swapping, BestAndLast(every_seconds=0)]
    fit_scripted([0.1, 0.9], callbacks=callbacks, enable_checkpointing=True)
    assert epoch_of(checkpoints / "best.ckpt") == best


def test_a_copy_shares_nothing_with_what_it_is_of():
    state = OrderedDict(weight=torch.ones(2))
    state._metadata = {"": {"version": 1}}
    content = {"milestones": Counter({8: 1}), "seen": deque([1]), "state": state, "rates": [0.1, (torch.ones(1),)]}
    copied = _copied(content)
    assert repr(copied) == repr(content)
    assert type(copied["state"]) is OrderedDict
    assert copied["state"]._metadata == state._metadata
    content["milestones"][8] += 1
    content["seen"].append(2)
    state["weight"] += 1
    content["rates"][1][0].zero_()
    assert (copied["milestones"], copied["seen"]) == (Counter({8: 1}), deque([1]))
    assert (copied["state"]["weight"].tolist(), copied["rates"][1][0].item()) == ([1.0, 1.0], 1.0)


class Describing(Callback):
    """Puts what describes the data into checkpoints."""

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint[DESCRIBED] = {"vocabulary": ["a", "b"]}


def test_what_describes_the_data_is_kept_but_not_copied_with_every_best(fit_scripted, checkpoints, monkeypatch):
    copied = []

    def noting(value):
        copied.extend(value if isinstance(value, dict) else ())
        return _copied(value)

    monkeypatch.setattr(checkpoint, "_copied", noting)
    callback = Counting(every_seconds=3600)
    callback.best_waits = 3600.0
    fit_scripted([0.1, 0.2, 0.3], callbacks=[callback, Describing()], enable_checkpointing=True)
    assert "state_dict" in copied
    assert DESCRIBED not in copied
    assert read_checkpoint(checkpoints / "best.ckpt")[DESCRIBED] == {"vocabulary": ["a", "b"]}


def test_a_metric_of_the_training_is_judged_in_the_epoch_it_was_measured_in(fit_scripted, checkpoints):
    callback = BestAndLast(monitor="train/figure")
    fit_scripted([0.1, 0.9, 0.5], callbacks=[callback], enable_checkpointing=True)
    assert callback.best.epoch == 1
    assert epoch_of(checkpoints / "best.ckpt") == 1


def test_the_best_so_far_is_kept_when_a_training_goes_on(fit_scripted, checkpoints):
    fit_scripted([0.2, 0.8], callbacks=[BestAndLast()], enable_checkpointing=True)
    callback = BestAndLast()
    state = read_checkpoint(checkpoints / "last.ckpt")["callbacks"][callback.state_key]
    callback.load_state_dict(state)
    assert callback.state_dict() == state == {"value": pytest.approx(0.8), "epoch": 1}
    fit_scripted([0.5], callbacks=[callback], enable_checkpointing=True)
    assert callback.best.epoch == 1


def test_a_last_checkpoint_can_be_gone_on_from(fit_scripted, checkpoints):
    trainer = fit_scripted([0.2, 0.4], callbacks=[BestAndLast()], enable_checkpointing=True)
    checkpoint = read_checkpoint(checkpoints / "last.ckpt")
    assert checkpoint["global_step"] == trainer.global_step == 4
    assert {"optimizer_states", "loops", "lr_schedulers"} <= set(checkpoint)
