"""Rows by their content: which are equal, and which have changed since they were divided."""

import hashlib
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.validation import Indices

__all__ = ["Duplicates", "contradictions", "copies_of", "handle_copies", "row_digests"]

Duplicates = Literal["together", "keep", "drop"]

Digests = NDArray[np.uint64]

_BYTES_AT_ONCE = 2**24
_WIDE = 64  # numbers a row, from which each row is hashed by itself


def row_digests(inputs: Tensor) -> Digests:
    """Return a digest (N,) of each row, by its bytes: equal rows have equal digests, anywhere and at any time.

    Two different rows of a million share one with a probability of 3e-8.

    Args:
        inputs: (N, …) of any dtype.
    """
    at_once = max(1, _BYTES_AT_ONCE // max(1, inputs[:1].nbytes))
    return np.concatenate([_digests(part) for part in torch.split(inputs, at_once)])


def _digests(inputs: Tensor) -> Digests:
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


def handle_copies(
    inputs: Tensor,
    duplicates: Duplicates,
    *,
    counted: str = "row",
    labels: Indices | None = None,
    called: Callable[[int], str] = str,
) -> tuple[Indices, Indices | None, list[tuple[str, str]]]:
    """Return which rows are kept, the set of equal rows that each of them belongs to, and what was found.

    Args:
        inputs: (N, …) as they were read.
        duplicates: `together` keeps equal rows on one side of each split, `drop` keeps the first of them, `keep`
            divides them like others.
        counted: what a remark calls one of them.
        labels: (N,) class of each; None where values are predicted, which may differ between equal rows.
        called: returns what a remark calls the row of a place, its class included.

    Returns:
        The places of the rows that are kept; the number of the set of each of these, None where rows are divided
        one by one; what a person should know, one (subject, remark) a line, none if no row repeats another.
    """
    copies, repeated = copies_of(row_digests(inputs))
    every = np.arange(len(inputs))
    if not repeated:
        return every, None, []
    several = f"{counted}s repeat" if repeated > 1 else f"{counted} repeats"
    found = [("duplicates", f"{repeated:,} {several} the inputs of another: {_REMARKS[duplicates]}")]
    if labels is not None and (pairs := contradictions(copies, labels)):
        one, other = map(called, pairs[0])
        sets = "1 set" if len(pairs) == 1 else f"{len(pairs):,} sets"
        of = f"{sets} of {counted}s with equal inputs {'is' if len(pairs) == 1 else 'are'} of different classes"
        found.append(("question", f"{of}, such as {one} and {other}: is a class wrong, or is an input lacking?"))
    if duplicates == "drop":
        return np.sort(np.unique(copies, return_index=True)[1]), None, found
    return every, copies if duplicates == "together" else None, found


def contradictions(copies: Indices, labels: Indices) -> list[tuple[int, int]]:
    """Return of each set of equal rows that are of several classes the places of two that differ, in their order.

    Args:
        copies: (N,) number of the set of each row.
        labels: (N,) its class.
    """
    first = np.unique(copies, return_index=True)[1]  # the first row of each set
    differing = np.flatnonzero(labels != labels[first[copies]])
    sets, places = np.unique(copies[differing], return_index=True)
    return sorted(zip(first[sets].tolist(), differing[places].tolist(), strict=True))


_REMARKS = {
    "together": "each stays on one side of a split with its like",
    "drop": "the first of them is kept",
    "keep": "they are divided like others, and may stand on both sides of a split",
}
