"""What every way of dividing samples has in common: the rows they divide, and the test part that is cut first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from lightune.wording import counted

Indices = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Which samples serve for what: row numbers.

    Args:
        train: rows to learn from; a bootstrap resample holds some of them several times.
        val: rows to judge by while training.
        test: rows to measure once, at the end.
    """

    train: Indices
    val: Indices
    test: Indices


@dataclass(frozen=True)
class Rows:
    """What a division needs to know of the samples.

    Args:
        count: how many there are; the official test samples, if any, stand last.
        labels: (count,) class of each, or None for regression.
        official_test: how many of them form an official test split; 0 if there is none.
        groups: column name → (count,) number of the group of each sample, such as the patient that it comes from.
        official_val: how many of them, before those, form an official validation split; 0 if there is none.
        copies: (count,) number of the set of equal samples that each belongs to; None where none are equal.
        times: column name → what returns its points in time (count,), NaN where one is missing.
        classes: names of the classes, for what is refused; empty if they have none.
    """

    count: int
    labels: Indices | None = None
    official_test: int = 0
    groups: Mapping[str, Indices] = field(default_factory=dict)
    official_val: int = 0
    copies: Indices | None = None
    times: Mapping[str, Callable[[], Times]] = field(default_factory=dict)
    classes: Sequence[str] = ()

    def time(self, name: str) -> Times:
        """Return the points in time (count,) of a column.

        Raises:
            ValueError: if the data have no such column, or it lacks one.
        """
        if name not in self.times:
            there = ", ".join(self.times) or "none"
            raise ValueError(f"order must be a column of dates or numbers (there are: {there}), got {name}")
        times = self.times[name]()
        if missing := int(np.isnan(times).sum()):
            raise ValueError(f"order must be known of every row, and {name} is missing in {missing:,}")
        return times

    def column(self, name: str | None) -> Indices | None:
        """Return the groups of a column; None for no column.

        Raises:
            ValueError: if the data have no such column.
        """
        if name is None:
            return None
        if name not in self.groups:
            there = ", ".join(self.groups) or "none"
            raise ValueError(f"groups must be a column of the data (there are: {there}), got {name}")
        return self.groups[name]


def cut(
    rows: Indices,
    strata: Indices | None,
    share: float,
    *,
    seed: int,
    key: str,
    groups: Indices | None = None,
    classes: Sequence[str] = (),
) -> tuple[Indices, Indices]:
    """Cut a share off some rows; return what is kept and what is cut, both sorted.

    Args:
        rows: row numbers (n,).
        strata: class (n,) of each, whose proportions both parts have; None for any.
        share: in (0, 1).
        seed: of the shuffle.
        key: the argument that a refusal names.
        groups: group (n,) of each, none of which is divided; None for no groups.
        classes: names of the classes, which a refusal tells; empty for their numbers.

    Raises:
        ValueError: naming `key`, if a part would be empty or too small to hold every class.
    """
    try:
        if groups is not None:
            if len(set(groups)) < 2:
                raise ValueError("all of one group, or equal, which stay on one side")
            splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
            kept, taken = next(splitter.split(rows, groups=groups))
            kept, taken = rows[kept], rows[taken]
        else:
            if strata is not None and len(rows) > 1:
                _check_no_class_of_one(strata, classes)
            kept, taken = train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
    except ValueError as error:
        raise ValueError(f"{key} leaves a part too small for {counted(len(rows), 'sample')} ({error})") from error
    return np.sort(kept), np.sort(taken)


def _check_no_class_of_one(strata: Indices, classes: Sequence[str], shown: int = 3) -> None:
    numbers, counts = np.unique(strata, return_counts=True)
    single = [classes[number] if len(classes) else str(number) for number in numbers[counts == 1]]
    if not single:
        return
    which = ", ".join(single[:shown]) + (f" and {len(single) - shown:,} more" if len(single) > shown else "")
    has = "has" if len(single) == 1 else "have"
    number = "; if the target is a number, choose data for regression" if len(numbers) > 20 else ""
    advice = "leave such classes out, join them with others, or set stratify=false"
    few = f"{len(single):,} of {counted(len(numbers), 'class', 'classes')} {has} a single sample"
    raise ValueError(f"{few}: {which}; {advice}{number}")
