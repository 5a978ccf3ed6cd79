"""Gradients of penalties and their clipping, of many members at once, are autograd's and torch's of each."""

import pytest
import torch
from torch import nn

from lightune.engine.fused.blocks import Block
from lightune.engine.fused.regularization import StackedRegularization
from lightune.regularization import Regularization

MEMBERS = 4
STRENGTHS = [Regularization(), Regularization(l1=0.1), Regularization(l2=0.3), Regularization(l1=0.2, l2=0.1)]
CLIPS = [None, 0.5, 100.0, 1.0]


def alone(model, gradients, strength, clip):
    """Return the gradients of one member as a training alone has them: name → tensor."""
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].clone()
    if (penalty := strength.penalty(model)) is not None:
        penalty.backward()
    if clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("rows", [range(4), range(1, 3)], ids=["all", "a block"])
@pytest.mark.parametrize("clips", [CLIPS, [None] * MEMBERS], ids=["clipped", "free"])
def test_each_members_gradients_are_those_it_has_alone(rows, clips):
    torch.manual_seed(0)
    models = [nn.Linear(3, 2).double() for _ in range(MEMBERS)]
    parameters = {
        name: torch.stack([dict(m.named_parameters())[name].detach() for m in models])
        for name in ("weight", "bias")
    }
    given = {name: torch.randn_like(value) for name, value in parameters.items()}
    like = parameters["weight"]
    regularization = StackedRegularization(STRENGTHS, clips, weights=["weight"], like=like)
    cut = slice(rows.start, rows.stop)
    gradients = {name: value[cut].clone() for name, value in given.items()}
    regularization.apply(gradients, Block(rows, {name: value[cut] for name, value in parameters.items()}, {}))
    for place, row in enumerate(rows):
        own = {name: value[row] for name, value in given.items()}
        expected = alone(models[row], own, STRENGTHS[row], clips[row])
        for name, value in expected.items():
            torch.testing.assert_close(gradients[name][place], value)
