"""One division into training, validation and test samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from lightune.ranges import Fraction

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which samples serve for what: three disjoint lists of row numbers, sorted."""

    train: Indices
    val: Indices
    test: Indices


class Holdout:
    """Hold out one part for validation and one for the test.

    Args:
        val_fraction: share of all samples for validation, in (0, 1).
        test_fraction: share of all samples for the test, in (0, 1). A data set with an official test split keeps
            that, and `val_fraction` is then a share of its training part.
        stratify: whether every part has each class in the proportion of the whole; no effect on regression.
    """

    def __init__(
        self, val_fraction: Fraction = 0.15, test_fraction: Fraction = 0.15, stratify: bool = True
    ) -> None:
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.stratify = stratify

    def split(self, labels: NDArray[np.int64] | None, samples: int, *, official_test: int, seed: int) -> Split:
        """Divide samples.

        Args:
            labels: (samples,) class of each, or None for regression.
            samples: how many there are; the official test samples, if any, stand last.
            official_test: how many of them form an official test split; 0 if there is none.
            seed: of the shuffle.

        Raises:
            ValueError: if a part would be empty or too small to hold every class.
        """
        rows = np.arange(samples)
        strata = labels if self.stratify else None
        if official_test:
            rest, test = rows[:-official_test], rows[-official_test:]
            share = self.val_fraction
        else:
            rest, test = _cut(rows, strata, self.test_fraction, seed, "test_fraction")
            share = self.val_fraction / (1 - self.test_fraction)
        train, val = _cut(rest, strata, share, seed, "val_fraction")
        return Split(np.sort(train), np.sort(val), np.sort(test))


def _cut(
    rows: Indices, strata: NDArray[np.int64] | None, share: float, seed: int, key: str
) -> tuple[Indices, Indices]:
    try:
        kept, cut = train_test_split(
            rows,
            test_size=share,
            random_state=seed,
            stratify=None if strata is None else strata[rows],
        )
    except ValueError as error:
        raise ValueError(f"{key} leaves a part too small for {len(rows)} samples ({error})") from error
    return kept, cut
