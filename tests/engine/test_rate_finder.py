import math

import numpy as np
import pytest
import torch

from lightune import compose
from lightune.engine.rate_finder import find_rate, smoothed, steepest
from lightune.run import prepare

RATES = np.geomspace(1e-6, 10, 100).tolist()


def curve(fall_at, *, least=0.2, rise_at=1.0):
    """A loss that falls most steeply at a rate, and rises beyond another."""
    decades = np.log10(RATES)
    fall = (1 - least) / (1 + np.exp(4 * (decades - math.log10(fall_at))))
    return (least + fall + 5 * np.maximum(0, decades - math.log10(rise_at)) ** 2).tolist()


@pytest.mark.parametrize("rate", [1e-4, 3e-3, 1e-1])
def test_the_rate_is_where_the_loss_falls_most(rate):
    assert steepest(RATES, curve(rate)) == pytest.approx(rate, rel=0.25)


def test_noise_moves_the_rate_little():
    noise = np.random.default_rng(0).normal(scale=0.03, size=100)
    assert 1e-3 < steepest(RATES, (np.array(curve(3e-3)) + noise).tolist()) < 1e-2


def test_nothing_is_found_where_the_loss_never_falls():
    assert steepest(RATES, [2.3] * 100) is None
    assert steepest(RATES, np.linspace(1, 3, 100).tolist()) is None
    assert steepest(RATES[:5], curve(1e-5)[:5]) is None


def test_smoothing_keeps_what_is_constant_and_shifts_nothing():
    assert smoothed(np.full(20, 3.0)) == pytest.approx(np.full(20, 3.0))
    peak = np.zeros(21)
    peak[10] = 1
    assert smoothed(peak).argmax() == 10
    assert smoothed(peak) == pytest.approx(smoothed(peak)[::-1])


@pytest.fixture
def wine(tmp_path):
    def make(*words):
        shared = ["trainer=cpu", "data=wine", "model.units=16", "metrics.bootstrap=0", f"output_root={tmp_path}"]
        return prepare(compose([*shared, *words]))

    return make


def test_a_range_test_leaves_everything_as_it_was(wine, tmp_path):
    parts = wine("regularization.dropout=0.3")
    before = {name: value.clone() for name, value in parts.task.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again = (find_rate(parts.task, parts.data.train_dataloader, parts.trainer, seed=1) for _ in range(2))
    assert first == again
    assert first.found is not None
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in parts.task.state_dict().items())
    assert list(tmp_path.iterdir()) == []


def test_it_ends_where_the_loss_grows(wine):
    parts = wine("optimizer=sgd", "model.units=256", "data.scaling=none")
    search = find_rate(parts.task, parts.data.train_dataloader, parts.trainer, seed=0)
    assert len(search.losses) == len(search.rates) < 90
    assert np.isfinite(search.losses).all()


def test_it_can_be_stopped(wine):
    parts, calls = wine(), []

    def pause():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_rate(parts.task, parts.data.train_dataloader, parts.trainer, seed=0, pause=pause)
    assert len(calls) == 3
