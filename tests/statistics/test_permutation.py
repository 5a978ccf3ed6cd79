import numpy as np
import pytest
import torch

from lightune.statistics.permutation import permutation_importance

SAMPLES = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
WEIGHTS = torch.tensor([2.0, -1.0, 0.0])


def error(samples):
    return float((samples @ WEIGHTS - SAMPLES @ WEIGHTS).square().mean())


def test_importance_is_what_dealing_a_column_out_costs():
    """A permuted column is independent of itself: it errs by twice its weight squared times its variance."""
    worse = permutation_importance(error, SAMPLES, repeats=20, seed=0, higher_is_better=False)
    assert worse.shape == (20, 3)
    wanted = 2 * WEIGHTS.square() * SAMPLES.var(dim=0, correction=0)
    assert worse.mean(axis=0) == pytest.approx(wanted.numpy(), rel=0.05)
    assert (worse[:, 2] == 0).all()


def test_a_figure_that_is_better_when_higher_gets_worse_by_falling():
    higher = permutation_importance(lambda x: -error(x), SAMPLES, repeats=3, seed=1, higher_is_better=True)
    lower = permutation_importance(error, SAMPLES, repeats=3, seed=1, higher_is_better=False)
    assert np.array_equal(higher, lower)
    assert (lower[:, :2] > 0).all()


def test_the_seed_deals_and_samples_stay():
    before = SAMPLES.clone()
    one, again, other = (
        permutation_importance(error, SAMPLES, repeats=2, seed=seed, higher_is_better=False) for seed in (4, 4, 5)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert torch.equal(SAMPLES, before)
