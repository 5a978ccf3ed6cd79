"""What every way of judging has in common: the test part is set aside first, then the rest is divided."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from lightune.ranges import Fraction, Seed
from lightune.validation.copies import one_of_each
from lightune.validation.in_time import cut_latest
from lightune.validation.splits import Indices, Rows, Split, Times, cut


class Division(ABC):
    """Divide samples into those to learn from, those to judge by, and those for the test.

    Args:
        stratify: whether every part has each class in the proportion of the whole; no effect on regression.
        test_fraction: share of all samples set aside for the test, in (0, 1). An official test split is kept.
        fused: `auto` trains the fits of a run as one program where that is exact and faster, `never` one by one.
        split_seed: of the division; None for that of the run, or, in a study that sweeps `seed`, for the one that
            the study has without the sweep.
        resplit: whether to divide what is not test anew: True with each swept seed, the test part included, and
            with each repeat; False with neither; None with each repeat alone.
    """

    groups: str | None = None  # column whose groups are not divided, where a way of judging takes one
    order: str | None = None  # column of time, where a way of judging takes one

    def __init__(
        self,
        *,
        stratify: bool,
        test_fraction: Fraction,
        fused: Literal["auto", "never"] = "auto",
        split_seed: Seed | None = None,
        resplit: bool | None = None,
    ) -> None:
        if resplit and split_seed is not None:
            rule = f"resplit=true divides by each seed, and split_seed={split_seed} by one"
            raise ValueError(f"{rule}; leave one of them away")
        self.stratify = stratify
        self.test_fraction = test_fraction
        self.fused = fused
        self.split_seed = split_seed
        self.resplit = resplit

    def splits_of_repeat(self, rows: Rows, repeat: int, *, seed: int) -> list[Split]:
        """Return one split a fit of a repeat; all repeats have the same test part.

        Args:
            rows: the samples.
            repeat: its number, from 0.
            seed: of the run, which divides where there is no `split_seed`.

        Raises:
            ValueError: as `splits`.
        """
        first = seed if self.split_seed is None else self.split_seed
        own = first if self.resplit is False else (first + repeat) % 2**32
        return self.splits(rows, seed=own, test_seed=first)

    def splits(self, rows: Rows, *, seed: int, test_seed: int | None = None) -> list[Split]:
        """Return one split a fit, all with the same test part.

        Args:
            rows: the samples.
            seed: of the shuffles.
            test_seed: of the test part, where it differs: repeats over seeds share one test part.

        Raises:
            ValueError: naming the argument at fault, if a part would be empty or too small.
        """
        if self.order is not None:
            return self._splits_in_time(rows, self.order)
        if rows.copies is not None:
            reduced, whole = one_of_each(rows)
            splits = self.splits(reduced, seed=seed, test_seed=test_seed)
            return [Split(whole(each.train), whole(each.val), whole(each.test)) for each in splits]
        rest, test = self._set_test_aside(rows, seed if test_seed is None else test_seed)
        return [Split(train, val, test) for train, val in self.divide(rest, rows, seed=seed)]

    def divide_in_time(self, rest: Indices, times: Times, rows: Rows) -> list[tuple[Indices, Indices]]:
        """Divide what is not test by time: return rows to learn from and later ones to judge by, one pair a fit.

        Args:
            rest: row numbers in the order of time.
            times: of them, ascending.
            rows: the samples.

        Raises:
            ValueError: naming the argument at fault, if a part would be empty.
        """
        raise NotImplementedError

    def _splits_in_time(self, rows: Rows, column: str) -> list[Split]:
        """Return one split a fit: the latest rows are test, unless that is official. Equal rows may be divided."""
        if self.groups is not None:
            raise ValueError(f"order={column} divides by time, and groups={self.groups} by groups; leave one out")
        times = rows.time(column)
        every = np.arange(rows.count)
        rest, test = every[: rows.count - rows.official_test], every[rows.count - rows.official_test :]
        rest = rest[np.argsort(times[rest], kind="stable")]
        if not rows.official_test:
            rest, test = cut_latest(rest, times[rest], self.test_fraction, key="test_fraction")
        pairs = self.divide_in_time(rest, times[rest], rows)
        return [Split(np.sort(train), np.sort(val), np.sort(test)) for train, val in pairs]

    @abstractmethod
    def divide(self, rest: Indices, rows: Rows, *, seed: int) -> list[tuple[Indices, Indices]]:
        """Divide what is not test: return the rows to learn from and those to judge by, one pair a fit.

        Args:
            rest: sorted row numbers.
            rows: the samples.
            seed: of the shuffles.

        Raises:
            ValueError: naming the argument at fault, if a part would be empty or too small.
        """

    def groups_of(self, rows: Rows) -> Indices | None:
        """Return the group of each sample, if groups must not be divided.

        Raises:
            ValueError: if the data have no such column.
        """
        return rows.column(self.groups)

    def strata_of(self, rows: Rows, part: Indices) -> Indices | None:
        """Return the class of each row of a part, if its proportions are to be kept."""
        return rows.labels[part] if self.stratify and rows.labels is not None else None

    def _set_test_aside(self, rows: Rows, seed: int) -> tuple[Indices, Indices]:
        every = np.arange(rows.count)
        if rows.official_test:
            return every[: -rows.official_test], every[-rows.official_test :]
        free, official_val = every[: rows.count - rows.official_val], every[rows.count - rows.official_val :]
        strata, groups = self.strata_of(rows, free), self.groups_of(rows)
        inside = None if groups is None else groups[free]
        share, names = self.test_fraction, rows.classes
        rest, test = cut(free, strata, share, groups=inside, seed=seed, key="test_fraction", classes=names)
        return np.concatenate([rest, official_val]), test
