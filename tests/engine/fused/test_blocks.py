"""How members are divided into blocks that are computed at a time."""

import pytest
import torch
from torch import nn

from lightune.engine.fused.blocks import activation_bytes, divide, most_at_once


@pytest.mark.parametrize(
    ("width", "most", "sizes"),
    [
        (5, None, [5]),
        (5, 5, [5]),
        (64, 33, [32, 32]),
        (64, 31, [16] * 4),  # rather than 22, 21 and 21: one program serves all
        (5, 3, [2, 3]),
        (7, 1, [1] * 7),
    ],
)
def test_blocks_hold_every_row_once_and_are_of_few_sizes(width, most, sizes):
    blocks = divide(width, most)
    assert [len(block) for block in blocks] == sizes
    assert [row for block in blocks for row in block] == list(range(width))


def test_larger_members_are_computed_fewer_at_a_time():
    small, large = (nn.Sequential(nn.Linear(64, units), nn.ReLU()) for units in (8, 4000))
    x = torch.zeros(32, 64)
    assert activation_bytes(small, x) == 2 * 32 * 8 * 4
    assert most_at_once(small, x) > most_at_once(large, x) >= 1
    assert small.training


def test_each_part_of_a_network_stays_in_its_form():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    model[1].eval()
    activation_bytes(model, torch.zeros(2, 4))
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_a_network_too_large_for_a_cache_is_computed_by_itself():
    assert most_at_once(nn.Linear(3000, 3000), torch.zeros(1, 3000)) == 1


def test_a_gpu_computes_all_at_once():
    assert most_at_once(nn.Linear(2, 2, device="meta"), torch.zeros(1, 2, device="meta")) is None
