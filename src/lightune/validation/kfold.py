"""Cross-validation: every sample judges once."""

from typing import Annotated, Literal

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from lightune.ranges import Fraction, PositiveInt, Range, Seed
from lightune.validation.division import Division
from lightune.validation.in_time import forward_chained
from lightune.validation.splits import Indices, Rows, Times


class CrossValidation(Division):
    """Divide what is not test into k folds, each of which validates a network that was trained on the others.

    Args:
        k: number of folds, >= 2.
        n_repeats: how often to divide anew, > 0; the figure is the mean over all k * n_repeats fits.
        stratify: whether every fold has each class in the proportion of the whole; no effect on regression.
        groups: column of the data whose groups are never divided between learning and judging; None for none.
        order: column of time: each fold is judged by what comes next after what it learns from (forward chaining),
            and the latest rows are test; None for none.
        test_fraction: share of all samples set aside for the test, in (0, 1). An official test split is kept.
        fused: `auto` trains the fits of a run as one program where that is exact and faster, `never` one by one.
        split_seed: of the division; None for that of the run, or, in a study that sweeps `seed`, for the one that
            the study has without the sweep.
        resplit: whether to divide what is not test anew: True with each swept seed, the test part included, and
            with each repeat; False with neither; None with each repeat alone.
    """

    def __init__(
        self,
        k: Annotated[int, Range(ge=2)] = 5,
        n_repeats: PositiveInt = 1,
        stratify: bool = True,
        groups: str | None = None,
        order: str | None = None,
        test_fraction: Fraction = 0.15,
        fused: Literal["auto", "never"] = "auto",
        split_seed: Seed | None = None,
        resplit: bool | None = None,
    ) -> None:
        super().__init__(
            stratify=stratify, test_fraction=test_fraction, fused=fused, split_seed=split_seed, resplit=resplit
        )
        self.k = k
        self.n_repeats = n_repeats
        self.groups, self.order = groups, order

    def divide(self, rest: Indices, rows: Rows, *, seed: int) -> list[tuple[Indices, Indices]]:
        """Return the folds of the first division, then those of the next.

        Raises:
            ValueError: if there are more folds than samples, groups, or samples of a class.
        """
        strata, groups = self.strata_of(rows, rest), self.groups_of(rows)
        inside = None if groups is None else groups[rest]
        self._check(len(rest), strata, inside)
        return [
            (rest[train], rest[val])
            for repeat in range(self.n_repeats)
            for train, val in self._folds(strata, inside, _mixed(seed, repeat)).split(rest, strata, inside)
        ]

    def divide_in_time(self, rest: Indices, times: Times, rows: Rows) -> list[tuple[Indices, Indices]]:
        """Return what was before and what comes next, k times.

        Raises:
            ValueError: if there are too few samples, or times, or the division is to be repeated.
        """
        if self.n_repeats > 1:
            raise ValueError(f"n_repeats must be 1 where time divides, got {self.n_repeats}")
        return forward_chained(rest, times, self.k)

    def _folds(self, strata: Indices | None, groups: Indices | None, seed: int) -> KFold:
        with_strata, with_groups = strata is not None, groups is not None
        kinds = {
            (False, False): KFold,
            (True, False): StratifiedKFold,
            (False, True): GroupKFold,
            (True, True): StratifiedGroupKFold,
        }
        return kinds[with_strata, with_groups](n_splits=self.k, shuffle=True, random_state=seed)

    def _check(self, count: int, strata: Indices | None, groups: Indices | None) -> None:
        fewest = count
        what = "samples"
        if groups is not None:
            fewest, what = len(np.unique(groups)), "groups"
        elif strata is not None:
            fewest, what = int(np.unique(strata, return_counts=True)[1].min()), "samples of the rarest class"
        if self.k > fewest:
            raise ValueError(f"k must be at most the number of {what} ({fewest}), got {self.k}")


def _mixed(seed: int, repeat: int) -> int:
    """Return the seed of a division: the run's for the first, one that no neighbouring seed has for others."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0]) if repeat else seed
