"""Rows by their content: which are equal, and which have changed since they were divided."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightune.validation import Indices

__all__ = ["copies_of", "row_digests"]

Digests = NDArray[np.uint64]

_WIDE = 64  # numbers a row, from which each row is hashed by itself


def row_digests(inputs: Tensor) -> Digests:
    """Return a digest (N,) of each row, by its bytes: equal rows have equal digests, anywhere and at any time.

    Two different rows of a million share one with a probability of 3e-8.

    Args:
        inputs: (N, …) of any dtype.
    """
    flat = inputs.reshape(len(inputs), -1).contiguous().numpy()
    if flat.shape[1] > _WIDE or flat.dtype.itemsize != 8:
        hashed = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in flat)
        return np.frombuffer(hashed, np.uint64)
    words = flat.view(np.uint64)
    digests = np.zeros(len(flat), np.uint64)
    for column in range(words.shape[1]):  # the mixing of splitmix64 (Steele et al. 2014), a column after the other
        digests += words[:, column] + np.uint64(0x9E3779B97F4A7C15)
        digests = (digests ^ (digests >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        digests = (digests ^ (digests >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        digests ^= digests >> np.uint64(31)
    return digests


def copies_of(digests: Digests) -> tuple[Indices, int]:
    """Return the number (N,) of the set of equal rows that each belongs to, and how many rows repeat another."""
    distinct, copies = np.unique(digests, return_inverse=True)
    return copies.reshape(-1), len(digests) - len(distinct)
