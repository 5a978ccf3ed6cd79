"""Each member's own scheduler says how its numbers move."""

from functools import partial

import pytest
from fused_members import Spec, adamw
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lightune.engine.fused.schedules import Schedule, Schedules
from lightune.optim import warmup_cosine


def schedule(scheduler, total_steps=10):
    return Schedule(Spec(optimizer=adamw(lr=1.0), scheduler=scheduler).member().task, total_steps=total_steps)


def test_a_schedule_by_epoch_moves_with_epochs_only():
    own = schedule(partial(StepLR, step_size=1, gamma=0.5))
    own.after_step()
    assert own.lr == 1.0
    own.after_epoch({})
    assert own.lr == 0.5


def test_a_schedule_by_step_moves_with_steps_only():
    own = schedule(partial(warmup_cosine, warmup_ratio=0.5))
    first = own.lr
    own.after_epoch({})
    assert own.lr == first
    own.after_step()
    assert own.lr > first


def test_a_plateau_is_judged_by_the_metric_it_follows():
    own = schedule(partial(ReduceLROnPlateau, patience=0, factor=0.1))
    for loss in (1.0, 2.0):
        own.after_epoch({"val/loss": loss, "train/loss": 0.0})
    assert own.lr == pytest.approx(0.1)


def test_numbers_may_have_moved_only_if_a_schedule_moves_with_steps():
    by_epoch, by_step = partial(StepLR, step_size=1), partial(warmup_cosine)
    schedules = Schedules([schedule(by_epoch), schedule(by_step)])
    assert schedules.after_step()
    schedules.keep([0])
    assert not schedules.after_step()
    schedules.add_members(0, schedule(by_step))
    assert schedules.after_step()
    assert [group["lr"] for group in schedules.groups] == [schedules[0].lr]
