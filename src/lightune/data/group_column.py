"""Groups of samples that belong together, such as the rows of a patient, named by a column."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from lightune.errors import Problem
from lightune.validation import Indices

__all__ = ["group_problems", "groups_in_column", "numbered"]


def group_problems(name: str | None, there: Collection[str], taken: Mapping[str, str | None]) -> Iterator[Problem]:
    """Yield what is wrong with the name of a column of groups.

    Args:
        name: of the column; None for no groups.
        there: the columns of the table.
        taken: key of the data → the column that it names, if any, which can be no groups.
    """
    if name is None:
        return
    if name not in there:
        yield Problem("validation.groups", f"there is no column {name!r}; the columns are {', '.join(there)}")
    for key, column in taken.items():
        if column == name:
            yield Problem("validation.groups", f"must be another column than data.{key}, got {name}")


def groups_in_column(
    name: str | None, table: Mapping[str, Sequence[str]], na_values: Collection[str]
) -> dict[str, Indices]:
    """Return column → number (N,) of the group of each row; empty for no column.

    Args:
        name: of the column.
        table: column → its cells.
        na_values: cells that stand for a missing value: their rows belong to no other.
    """
    if name is None:
        return {}
    bare = {cell: cell.strip() for cell in set(table[name])}
    return {name: numbered(["" if bare[cell] in na_values else bare[cell] for cell in table[name]])}


def numbered(groups: Sequence[str]) -> Indices:
    """Return the number (N,) of each group; one without a name has a number of its own."""
    own = [group or f"\n{place}" for place, group in enumerate(groups)]  # a name has no line's end
    numbers: Indices = np.unique(own, return_inverse=True)[1].reshape(-1)
    return numbers
