"""One step of each update rule, written out by hand with the formula of its source."""

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from lightune.engine.fused.update_rules import RULES

P, G = torch.tensor([[1.0, -2.0], [0.5, 3.0]]).double(), torch.tensor([[0.1, 0.2], [-0.3, 0.4]]).double()


def first_step(kind, **numbers):
    """Take the first step of two members whose numbers are pairs; return parameters (2, 2) and their state."""
    switches = {name: value for name, value in numbers.items() if not isinstance(value, tuple)}
    columns = {
        name: torch.tensor(pair, dtype=torch.float64) for name, pair in numbers.items() if name not in switches
    }
    rule, p = RULES[kind], P.clone()
    groups = [switches | {name: column[row].item() for name, column in columns.items()} for row in range(2)]
    state = rule.fresh_state(groups, p)
    derived = rule.derive(columns, torch.ones(2, dtype=torch.float64), switches)
    rule.update(p, G.clone(), state, {name: column.unsqueeze(1) for name, column in derived.items()})
    return p, state


def column(*pair):
    return torch.tensor(pair, dtype=torch.float64).unsqueeze(1)


def test_sgd():
    decay, lr = column(0.1, 0.0), column(0.5, 0.2)
    plain, state = first_step(
        SGD, lr=(0.5, 0.2), momentum=(0.0, 0.0), dampening=(0.0, 0.0), weight_decay=(0.1, 0.0), nesterov=False
    )
    torch.testing.assert_close(plain, P - lr * (G + decay * P))
    assert state == {}


def test_sgd_with_nesterov_looks_ahead():
    lr, momentum = column(0.5, 0.2), column(0.9, 0.5)
    ahead, state = first_step(
        SGD, lr=(0.5, 0.2), momentum=(0.9, 0.5), dampening=(0.0, 0.0), weight_decay=(0.0, 0.0), nesterov=True
    )
    torch.testing.assert_close(ahead, P - lr * (G + momentum * G))
    torch.testing.assert_close(state["momentum_buffer"], G)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_adam_decays_in_the_gradient_and_adamw_apart_from_it(kind):
    lr, decay, eps = column(0.5, 0.2), column(0.1, 0.0), column(1e-8, 1e-2)
    stepped, _ = first_step(
        kind,
        lr=(0.5, 0.2),
        beta1=(0.9, 0.8),
        beta2=(0.99, 0.9),
        eps=(1e-8, 1e-2),
        weight_decay=(0.1, 0.0),
        amsgrad=False,
    )
    g = G + decay * P if kind is Adam else G
    p = P if kind is Adam else P * (1 - lr * decay)
    torch.testing.assert_close(stepped, p - lr * g / (g.abs() + eps))  # the corrected moments of one gradient


def test_rmsprop():
    lr, alpha, eps = column(0.5, 0.2), column(0.9, 0.5), column(1e-8, 1e-2)
    stepped, state = first_step(
        RMSprop,
        lr=(0.5, 0.2),
        alpha=(0.9, 0.5),
        eps=(1e-8, 1e-2),
        momentum=(0.0, 0.0),
        weight_decay=(0.0, 0.0),
        centered=False,
    )
    torch.testing.assert_close(stepped, P - lr * G / (((1 - alpha) * G * G).sqrt() + eps))
    assert state.keys() == {"square_avg"}


def test_adagrad():
    lr, first, eps = column(0.5, 0.2), column(0.0, 0.3), column(1e-8, 1e-2)
    stepped, _ = first_step(
        Adagrad,
        lr=(0.5, 0.2),
        lr_decay=(0.1, 0.0),
        weight_decay=(0.0, 0.0),
        eps=(1e-8, 1e-2),
        initial_accumulator_value=(0.0, 0.3),
    )
    torch.testing.assert_close(stepped, P - lr * G / ((first + G * G).sqrt() + eps))
