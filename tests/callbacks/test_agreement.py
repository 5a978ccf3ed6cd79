"""Decisions of one process are its own; those of several are agreed on."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lightune.callbacks.agreement import (
    STEPS_BETWEEN_QUESTIONS,
    SharedStop,
    any_process,
    every_process,
    gathered,
    may_pause,
    weights_are_finite,
)


def trainer(world_size=1, others=(), **more):
    """A trainer, and what the other processes decide."""

    def reduce(decision, *, all):  # noqa: A002 - Lightning's own name
        decisions = [decision, *others]
        return min(decisions) if all else max(decisions)

    strategy = SimpleNamespace(reduce_boolean_decision=reduce)
    settings = {"accumulate_grad_batches": 1, "enable_validation": False, **more}
    return SimpleNamespace(world_size=world_size, strategy=strategy, **settings)


@pytest.mark.parametrize("decision", [True, False])
def test_a_process_by_itself_decides(decision):
    assert any_process(trainer(), decision) == every_process(trainer(), decision) == decision


def test_several_processes_decide_alike():
    several = trainer(2, others=[True])
    assert any_process(several, False)
    assert not every_process(several, False)
    assert every_process(several, True)


def test_values_of_one_process_are_gathered_as_a_row():
    assert gathered(trainer(), torch.tensor([1.0, 2.0])).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_are_finite_if_they_are_in_every_process(value):
    module = nn.Linear(2, 2)
    assert weights_are_finite(trainer(), module.parameters())
    assert not weights_are_finite(trainer(2, others=[False]), module.parameters())
    module.weight.data[1, 0] = value
    assert not weights_are_finite(trainer(2, others=[True]), module.parameters())


def test_a_training_pauses_where_no_gradient_is_pending_and_the_epoch_is_not_over():
    alone = trainer(is_last_batch=False)
    assert may_pause(alone, 0)
    alone.accumulate_grad_batches = 2
    assert [may_pause(alone, batch) for batch in range(4)] == [False, True, False, True]
    assert not may_pause(trainer(is_last_batch=True), 1)


def test_several_processes_pause_where_they_ask_each_other():
    several = trainer(2, is_last_batch=False)
    assert [batch for batch in range(30) if may_pause(several, batch)] == [
        STEPS_BETWEEN_QUESTIONS * number - 1 for number in (1, 2, 3)
    ]


def test_every_process_stops_when_one_is_to_stop():
    several = trainer(2, others=[True], should_stop=False)
    SharedStop().on_train_epoch_end(several, None)
    assert several.should_stop
