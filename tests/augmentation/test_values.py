import pytest
import torch

from lightune.augmentation import ValueRange


def test_bytes_reach_from_black_to_white_whichever_occur():
    values = ValueRange.of(torch.tensor([[10, 20]], dtype=torch.uint8))
    assert (values.low, values.high, values.mean) == (0.0, 255.0, 15.0)


def test_other_numbers_reach_as_far_as_they_do():
    values = ValueRange.of(torch.tensor([[-1.0, 3.0], [0.5, 0.5]]))
    assert (values.low, values.high) == (-1.0, 3.0)
    assert values.mean == pytest.approx(0.75)
