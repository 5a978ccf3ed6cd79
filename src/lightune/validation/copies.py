"""Equal samples stay together: a division of one of each is a division of all."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lightune.validation.splits import Indices, Rows

__all__ = ["one_of_each"]


def one_of_each(rows: Rows) -> tuple[Rows, Callable[[Indices], Indices]]:
    """Return the first row of each set of equal samples, and what turns some of these into the rows of their sets.

    Official parts are kept as they are: equal samples in two of them are two sets. Groups that share equal samples
    become one.

    Args:
        rows: with `copies`.
    """
    assert rows.copies is not None
    place = np.arange(rows.count)
    part = np.digitize(
        place, [rows.count - rows.official_test - rows.official_val, rows.count - rows.official_test]
    )
    keys = np.stack([part, rows.copies], axis=1)
    _, first, sets = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # sets are numbered in the order in which they appear
    sets, first = order[sets.reshape(-1)], np.sort(first)
    members = np.argsort(sets, kind="stable")
    sizes = np.bincount(sets)
    starts = np.cumsum(sizes) - sizes

    def whole(chosen: Indices) -> Indices:
        many = sizes[chosen]
        ahead = np.cumsum(many) - many  # rows of the sets before
        return np.sort(members[np.repeat(starts[chosen] - ahead, many) + np.arange(many.sum())])

    reduced = replace(
        rows,
        count=len(first),
        labels=None if rows.labels is None else rows.labels[first],
        official_test=int((part[first] == 2).sum()),
        official_val=int((part[first] == 1).sum()),
        groups={name: _joined(groups, sets)[first] for name, groups in rows.groups.items()},
        copies=None,
    )
    return reduced, whole


def _joined(groups: Indices, sets: Indices) -> Indices:
    """Return groups (N,) of which those that have rows of one set in common are one."""
    _, numbers = np.unique(groups, return_inverse=True)
    count = int(numbers.max()) + 1
    size = count + int(sets.max()) + 1
    links = coo_array((np.ones(len(sets)), (numbers.reshape(-1), sets + count)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return np.asarray(component[:count][numbers.reshape(-1)])
