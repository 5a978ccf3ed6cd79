import math
from types import SimpleNamespace

import pytest
import torch

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


@pytest.mark.parametrize("outputs", [None, {}, {"loss": None}], ids=str)
def test_a_step_without_a_loss_is_let_by(outputs):
    step(FiniteLoss(), outputs)


@pytest.mark.parametrize("loss", [0.0, -3.0, 3e38])
def test_a_finite_loss_is_let_by(loss):
    step(FiniteLoss(), torch.tensor(loss))
