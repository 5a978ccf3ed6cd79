"""Mixtures of samples: what is left of each, and that it depends on nothing but seed, epoch and row."""

import pytest
import torch

from lightune.augmentation import Mixing

ROWS = torch.arange(2000)
IMAGES, OTHERS = torch.zeros(2000, 1, 8, 6), torch.ones(2000, 1, 8, 6)
BOTH = [Mixing(mixup=0.4), Mixing(cutmix=1.0), Mixing(mixup=0.4, cutmix=1.0)]


def mixed(mixing, rows=ROWS, seed=3, epoch=5):
    return mixing(IMAGES[rows], OTHERS[rows], rows, seed=seed, epoch=epoch)


@pytest.mark.parametrize("mixing", BOTH)
def test_a_share_is_what_is_left_of_a_sample_and_at_least_half(mixing):
    samples, shares = mixed(mixing)
    torch.testing.assert_close(1 - samples.mean(dim=(1, 2, 3)), shares)
    assert 0.5 <= shares.min() <= shares.max() <= 1
    assert shares.std() > 0.1


def test_shares_are_as_those_of_the_distribution():
    wanted = torch.distributions.Beta(0.4, 0.4).sample((200_000,))
    wanted = torch.maximum(wanted, 1 - wanted)
    _, shares = mixed(Mixing(mixup=0.4))
    for quantile in (0.1, 0.5, 0.9):
        assert float(shares.quantile(quantile)) == pytest.approx(float(wanted.quantile(quantile)), abs=0.03)


def test_a_box_is_put_into_an_image_and_nothing_else_is_changed():
    samples, shares = mixed(Mixing(cutmix=1.0))
    for sample, share in zip(samples[:200, 0], shares[:200], strict=True):
        rows, columns = sample.nonzero(as_tuple=True)
        if len(rows):
            box = sample[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert bool((box == 1).all())
            assert box.numel() == len(rows)
        assert float(share) == pytest.approx(1 - len(rows) / 48)


def test_with_both_one_of_the_two_is_drawn_for_each_sample():
    both, blended, cut = (mixed(each) for each in (BOTH[2], BOTH[0], BOTH[1]))
    is_blended = (both[0] == blended[0]).flatten(1).all(dim=1)
    is_cut = (both[0] == cut[0]).flatten(1).all(dim=1)
    assert bool((is_blended | is_cut).all())
    assert 0.4 < is_blended.float().mean() < 0.6
    assert torch.equal(both[1], torch.where(is_blended, blended[1], cut[1]))


@pytest.mark.parametrize("mixing", BOTH)
def test_a_mixture_depends_on_seed_epoch_and_row_alone(mixing):
    samples, shares = mixed(mixing)
    some = torch.tensor([7, 1999, 3, 12])
    again = mixed(mixing, some)
    assert torch.equal(again[0], samples[some])
    assert torch.equal(again[1], shares[some])
    for other in ({"seed": 4}, {"epoch": 6}):
        assert not torch.equal(mixed(mixing, **other)[1], shares)


def test_a_table_is_blended():
    x, other = torch.randn(5, 3), torch.randn(5, 3)
    samples, shares = Mixing(mixup=1.0)(x, other, torch.arange(5), seed=0, epoch=0)
    torch.testing.assert_close(samples, shares[:, None] * x + (1 - shares[:, None]) * other)
