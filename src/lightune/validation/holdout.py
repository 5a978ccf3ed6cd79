"""One division into training, validation and test samples."""

from typing import Literal

from lightune.ranges import Fraction
from lightune.validation.division import Division
from lightune.validation.splits import Indices, Rows, cut


class Holdout(Division):
    """Hold out one part for validation and one for the test.

    Args:
        val_fraction: share of all samples for validation, in (0, 1).
        test_fraction: share of all samples for the test, in (0, 1). A data set with an official test split
            keeps that, and `val_fraction` is then a share of its training part.
        stratify: whether every part has each class in the proportion of the whole; no effect on regression.
        fused: `auto` trains the fits of a run as one program where that is exact and faster, `never` one by one.
    """

    def __init__(
        self,
        val_fraction: Fraction = 0.15,
        test_fraction: Fraction = 0.15,
        stratify: bool = True,
        fused: Literal["auto", "never"] = "auto",
    ) -> None:
        super().__init__(stratify=stratify, test_fraction=test_fraction, fused=fused)
        self.val_fraction = val_fraction

    def divide(self, rest: Indices, rows: Rows, *, seed: int) -> list[tuple[Indices, Indices]]:
        """Cut the validation part off once."""
        share = self.val_fraction if rows.official_test else self.val_fraction / (1 - self.test_fraction)
        return [cut(rest, self.strata_of(rows, rest), share, seed=seed, key="val_fraction")]
