"""Random numbers that depend on a seed, an epoch, a row and a name alone, whatever else is drawn, and when.

They are counter-based: the number of a row is a hash of its counter, computed for whole batches by operations on
integers, which give the same bits on every device.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["uniforms"]

_WRAP = 2**64
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None))
_BITS = 24  # of a float32


def uniforms(rows: Tensor, names: Sequence[str], *, seed: int, epoch: int) -> dict[str, Tensor]:
    """Return a number (B,) float32 in [0, 1) of each row for each name, whatever other rows and names there are.

    Source: SplitMix64 (Steele et al. 2014); a hash of seed, epoch and name is its seed, the row its place.

    Args:
        rows: (B,) int64, >= 0.
        names: what the numbers are for.
        seed: >= 0.
        epoch: >= 0.
    """
    if not names:
        return {}
    starts = [_signed(_start(name, seed, epoch)) for name in names]
    state = torch.tensor(starts, device=rows.device).unsqueeze(1) + (rows + 1) * _signed(_GOLDEN)
    for shift, factor in _MIX:
        state = state ^ _shifted(state, shift)
        if factor is not None:
            state = state * _signed(factor)
    numbers = _shifted(state, 64 - _BITS).float() * 2.0**-_BITS
    return dict(zip(names, numbers, strict=True))


def _start(name: str, seed: int, epoch: int) -> int:
    digest = hashlib.blake2b(f"{name} {seed} {epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _signed(number: int) -> int:
    """Return the int64 that has the bits of an unsigned number."""
    number %= _WRAP
    return number - _WRAP if number >= _WRAP // 2 else number


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Shift to the right as an unsigned number is: zeros come in, not the sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
