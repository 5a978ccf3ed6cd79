"""Compare what two trainings left, where numbers may differ by rounding."""

import pytest
import torch


def close(one, other, rel=1e-6, tiny=1e-9):
    """Compare nested values; numbers within a tolerance, those in tensors also if they differ by little."""
    if isinstance(one, torch.Tensor):
        assert one.shape == other.shape
        assert torch.allclose(one.double(), other.double(), rtol=rel, atol=tiny)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            close(one[key], other[key], rel, tiny)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            close(left, right, rel, tiny)
    else:
        assert one == (pytest.approx(other, rel=rel) if isinstance(other, float) else other)
