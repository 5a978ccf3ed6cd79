"""Members trained together are the members trained alone: the same losses at every step, in double precision."""

from functools import partial

import pytest
import torch
from tests.engine.conftest import CLASSES, SHAPE, Spec
from torch import optim

from lightune.models import CNN, MLP
from lightune.regularization import Regularization

EPOCHS = 9  # of six steps: more than fifty
SEEDS = (0, 0, 1, 2)
LRS = (1e-3, 3e-3, 1e-2, 2e-2)

MODELS = {
    "plain": partial(MLP, layers=2, units=8),
    "residual": partial(MLP, layers=2, units=[8, 6], connections="residual", activation="gelu"),
    "dense": partial(MLP, layers=2, units=8, connections="dense", activation="tanh"),
    "plain_norm": partial(MLP, layers=2, units=8, batch_norm=True),
    "residual_norm": partial(MLP, layers=2, units=8, connections="residual", batch_norm=True),
    "dense_norm": partial(MLP, layers=2, units=8, connections="dense", batch_norm=True),
    "cnn": partial(CNN, channels=[3, 4], units=8),
    "cnn_norm": partial(CNN, channels=[3, 4], units=8, batch_norm=True, pooling="average"),
}
OPTIMIZERS = {
    "sgd": [partial(optim.SGD, lr=lr, momentum=m) for lr, m in zip(LRS, (0.0, 0.5, 0.9, 0.9), strict=True)],
    "nesterov": [
        partial(optim.SGD, lr=lr, momentum=m, nesterov=True, weight_decay=d)
        for lr, m, d in zip(LRS, (0.3, 0.5, 0.9, 0.9), (0, 1e-3, 1e-2, 0), strict=True)
    ],
    "adam": [
        partial(optim.Adam, lr=lr, betas=(b, 0.99), weight_decay=d)
        for lr, b, d in zip(LRS, (0.9, 0.8, 0.9, 0.5), (0, 0, 1e-2, 1e-3), strict=True)
    ],
    "adamw": [
        partial(optim.AdamW, lr=lr, weight_decay=d, eps=e)
        for lr, d, e in zip(LRS, (0.01, 0.1, 0, 0.5), (1e-8, 1e-6, 1e-8, 1e-8), strict=True)
    ],
    "rmsprop": [
        partial(optim.RMSprop, lr=lr, alpha=a, momentum=m)
        for lr, a, m in zip(LRS, (0.99, 0.9, 0.95, 0.99), (0, 0.9, 0.5, 0), strict=True)
    ],
    "adagrad": [
        partial(optim.Adagrad, lr=lr, lr_decay=d, initial_accumulator_value=i)
        for lr, d, i in zip(LRS, (0, 0.1, 0, 0.01), (0, 0.1, 0, 0), strict=True)
    ],
}
STRENGTHS = {
    "none": [Regularization()] * 4,
    "penalties": [Regularization(l1=a, l2=b) for a, b in ((0, 0), (1e-3, 0), (0, 1e-2), (1e-3, 1e-2))],
    "dropout": [Regularization(dropout=p) for p in (0.0, 0.2, 0.5, 0.5)],
    "clip": [Regularization(gradient_clip=c) for c in (None, 0.1, 0.5, 5.0)],
}


def specs(model, optimizers, strengths, **parts):
    made = []
    for seed, optimizer, strength in zip(SEEDS, optimizers, strengths, strict=True):
        network = partial(model, SHAPE, CLASSES, dropout=strength.dropout)
        made.append(Spec(seed, model=network, optimizer=optimizer, regularization=strength, **parts))
    return made


def compare(apart, together):
    """Compare losses of all steps, measures of all epochs, and the state that is left."""
    for (one, member), (two, fused_member) in zip(apart, together, strict=True):
        assert len(one.losses) == len(two.losses) > 50
        torch.testing.assert_close(torch.tensor(two.losses), torch.tensor(one.losses), rtol=1e-6, atol=1e-12)
        assert one.rates == pytest.approx(two.rates, rel=1e-12)
        for expected, got in zip(one.epochs, two.epochs, strict=True):
            measured = {name: value for name, value in expected.items() if not name.startswith("train/lr")}
            assert got == pytest.approx(measured, rel=1e-5, abs=1e-6)
        ours, theirs = fused_member.task.state_dict(), member.task.state_dict()
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name].to(value), value, rtol=1e-6, atol=1e-9, msg=name)


MIXED = [
    Regularization(l2=1e-2),
    Regularization(l1=1e-3, dropout=0.2),
    Regularization(dropout=0.5),
    *STRENGTHS["clip"][1:2],
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_members_of_any_strength_are_those_trained_alone(alone, fused, model, optimizer):
    group = specs(MODELS[model], OPTIMIZERS[optimizer], MIXED)
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.slow
@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_each_strength_by_itself_gives_the_members_trained_alone(alone, fused, model, optimizer, strength):
    group = specs(MODELS[model], OPTIMIZERS[optimizer], STRENGTHS[strength])
    compare(alone(group, EPOCHS), fused(group, EPOCHS))
