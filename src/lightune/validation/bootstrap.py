"""The bootstrap: learn from a resample, judge by what it left out."""

from typing import Annotated, Literal

import numpy as np
from sklearn.utils import resample

from lightune.ranges import Fraction, Range, Seed
from lightune.validation.division import Division
from lightune.validation.splits import Indices, Rows
from lightune.wording import counted


class Bootstrap(Division):
    """Draw n resamples, as large as what is not test; each network is judged by the samples it never saw.

    Beside the out-of-bag score stands the .632 estimate, 0.368 of the score on the training samples and 0.632
    of the out-of-bag score, which is less pessimistic (Efron 1983, section 6).

    Args:
        n: number of resamples, >= 2.
        stratify: whether every resample has each class in the proportion of the whole; no effect on regression.
        test_fraction: share of all samples set aside for the test, in (0, 1). An official test split is kept.
        fused: `auto` trains the fits of a run as one program where that is exact and faster, `never` one by one.
        split_seed: of the division; None for that of the run, or, in a study that sweeps `seed`, for the one that
            the study has without the sweep.
        resplit: whether to divide what is not test anew: True with each swept seed, the test part included, and
            with each repeat; False with neither; None with each repeat alone.
    """

    estimate_632 = True

    def __init__(
        self,
        n: Annotated[int, Range(ge=2)] = 20,
        stratify: bool = True,
        test_fraction: Fraction = 0.15,
        fused: Literal["auto", "never"] = "auto",
        split_seed: Seed | None = None,
        resplit: bool | None = None,
    ) -> None:
        super().__init__(
            stratify=stratify, test_fraction=test_fraction, fused=fused, split_seed=split_seed, resplit=resplit
        )
        self.n = n

    def divide(self, rest: Indices, rows: Rows, *, seed: int) -> list[tuple[Indices, Indices]]:
        """Return the rows of each resample, with repetitions, and those that it left out.

        Raises:
            ValueError: if a resample leaves nothing out.
        """
        drawn = np.random.RandomState(seed)
        pairs = []
        for _ in range(self.n):
            train = np.sort(resample(rest, random_state=drawn, stratify=self.strata_of(rows, rest)))
            left_out = np.setdiff1d(rest, train)
            if not len(left_out):
                raise ValueError(
                    f"n: a resample of {counted(len(rest), 'sample')} leaves none to judge by; take more data"
                )
            pairs.append((train, left_out))
        return pairs
