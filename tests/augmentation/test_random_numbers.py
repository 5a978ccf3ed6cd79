import hashlib

import pytest
import torch

from lightune.augmentation.random_numbers import uniforms

MASK = 2**64 - 1


def by_hand(name, seed, epoch, row):
    """Return the number of SplitMix64 at a place, in whole numbers of Python."""
    start = int.from_bytes(hashlib.blake2b(f"{name} {seed} {epoch}".encode(), digest_size=8).digest(), "little")
    z = (start + (row + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 40) / 2**24


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_numbers_are_those_of_splitmix(seed):
    rows = torch.tensor([0, 1, 5, 10**9])
    drawn = uniforms(rows, ["flip", "rotate"], seed=seed, epoch=3)
    for name, numbers in drawn.items():
        assert numbers.dtype == torch.float32
        assert numbers.tolist() == [by_hand(name, seed, 3, row) for row in rows.tolist()]


def test_a_number_depends_on_its_own_row_and_name_only():
    rows = torch.arange(50)
    together = uniforms(rows, ["a", "b"], seed=1, epoch=2)
    backwards = uniforms(rows.flip(0), ["b"], seed=1, epoch=2)
    assert torch.equal(together["b"], backwards["b"].flip(0))
    assert uniforms(rows, [], seed=1, epoch=2) == {}


def test_seeds_epochs_names_and_rows_give_other_numbers():
    rows = torch.arange(200)
    drawn = [
        uniforms(rows, [name], seed=seed, epoch=epoch)[name]
        for name in "ab"
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    both = torch.stack(drawn)
    assert both.unique().numel() > 0.999 * both.numel()
    assert (torch.corrcoef(both) - torch.eye(len(both))).abs().max() < 0.25  # 3.5 standard deviations


def test_numbers_are_spread_evenly_below_one():
    numbers = uniforms(torch.arange(100_000), ["x"], seed=0, epoch=0)["x"]
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers, bins=10, min=0, max=1)
    assert ((counts - 10_000).abs() < 400).all()
