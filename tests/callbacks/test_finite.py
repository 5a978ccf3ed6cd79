import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lightune.callbacks import FiniteLoss
from lightune.callbacks.finite import NonFiniteLossError


def step(callback, loss, *, number=1, last=False):
    trainer = SimpleNamespace(global_step=number, is_last_batch=last, world_size=1)
    callback.on_train_batch_end(trainer, None, loss, None, number - 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", [lambda loss: loss, lambda loss: {"loss": loss}], ids=["tensor", "mapping"])
def test_a_loss_that_is_no_number_stops_at_its_step_and_says_its_value(value, form):
    callback = FiniteLoss()
    step(callback, form(torch.tensor(1.0)))
    with pytest.raises(NonFiniteLossError, match=rf"became {value} at step 7; try a smaller optimizer\.lr"):
        step(callback, form(torch.tensor(value)), number=7)


def test_an_epoch_that_is_cut_short_leaves_no_loss_unseen(two_processes_of_losses):
    callback, trainer, module = two_processes_of_losses
    callback.on_train_batch_end(trainer, module, torch.tensor(1.0), None, 0)
    trainer.global_step = 2
    callback.on_train_batch_end(trainer, module, torch.tensor(math.nan), None, 1)
    with pytest.raises(NonFiniteLossError, match="became nan at step 2"):
        callback.on_train_epoch_end(trainer, module)


@pytest.fixture
def two_processes_of_losses():
    """A training of two processes, seen from one, that ends its epoch before the last batch."""
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, **settings: decision)
    trainer = SimpleNamespace(global_step=1, is_last_batch=False, world_size=2, strategy=strategy)
    return FiniteLoss(gather=lambda trainer, values: torch.stack([values, values])), trainer, nn.Linear(1, 1)


def test_weights_that_are_no_numbers_end_the_epoch():
    module = nn.Linear(2, 2)
    trainer = SimpleNamespace(global_step=9, world_size=1)
    FiniteLoss().on_train_epoch_end(trainer, module)
    module.weight.data[0, 1] = math.inf
    with pytest.raises(NonFiniteLossError, match=r"the weights became non-finite at step 9; try a smaller"):
        FiniteLoss().on_train_epoch_end(trainer, module)


@pytest.mark.parametrize("outputs", [None, {}, {"loss": None}], ids=str)
def test_a_step_without_a_loss_is_let_by(outputs):
    step(FiniteLoss(), outputs)


@pytest.mark.parametrize("loss", [0.0, -3.0, 3e38])
def test_a_finite_loss_is_let_by(loss):
    step(FiniteLoss(), torch.tensor(loss))
