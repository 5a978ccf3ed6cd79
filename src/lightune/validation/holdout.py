"""One division into training, validation and test samples."""

from typing import Literal

from lightune.ranges import Fraction, Seed
from lightune.validation.division import Division
from lightune.validation.in_time import cut_latest
from lightune.validation.splits import Indices, Rows, Times, cut


class Holdout(Division):
    """Hold out one part for validation and one for the test.

    Args:
        val_fraction: share of all samples for validation, in (0, 1).
        test_fraction: share of all samples for the test, in (0, 1). A data set with an official test split
            keeps that, and `val_fraction` is then a share of its training part; an official validation split is
            kept, too.
        stratify: whether every part has each class in the proportion of the whole; no effect on regression.
        groups: column of the data whose groups are never divided between parts; None for none.
        order: column of time, by which samples are divided in place of chance: the latest are test, those before
            them validation; None for none.
        fused: `auto` trains the fits of a run as one program where that is exact and faster, `never` one by one.
        split_seed: of the division; None for that of the run, or, in a study that sweeps `seed`, for the one that
            the study has without the sweep.
        resplit: whether to divide what is not test anew: True with each swept seed, the test part included, and
            with each repeat; False with neither; None with each repeat alone.
    """

    def __init__(
        self,
        val_fraction: Fraction = 0.15,
        test_fraction: Fraction = 0.15,
        stratify: bool = True,
        groups: str | None = None,
        order: str | None = None,
        fused: Literal["auto", "never"] = "auto",
        split_seed: Seed | None = None,
        resplit: bool | None = None,
    ) -> None:
        super().__init__(
            stratify=stratify, test_fraction=test_fraction, fused=fused, split_seed=split_seed, resplit=resplit
        )
        self.val_fraction = val_fraction
        self.groups, self.order = groups, order

    def divide(self, rest: Indices, rows: Rows, *, seed: int) -> list[tuple[Indices, Indices]]:
        """Cut the validation part off once."""
        if rows.official_val:
            return [(rest[: -rows.official_val], rest[-rows.official_val :])]
        share = self._share(rows)
        strata, groups = self.strata_of(rows, rest), self.groups_of(rows)
        inside = None if groups is None else groups[rest]
        return [cut(rest, strata, share, groups=inside, seed=seed, key="val_fraction", classes=rows.classes)]

    def divide_in_time(self, rest: Indices, times: Times, rows: Rows) -> list[tuple[Indices, Indices]]:
        """Cut the latest off once.

        Raises:
            ValueError: if a part would be empty, or the data have an official validation part.
        """
        if rows.official_val:
            raise ValueError("order has no use for an official validation part, which is kept; set order=null")
        return [cut_latest(rest, times, self._share(rows), key="val_fraction")]

    def _share(self, rows: Rows) -> float:
        """Return the share of what is not test that is cut off."""
        return self.val_fraction if rows.official_test else self.val_fraction / (1 - self.test_fraction)
