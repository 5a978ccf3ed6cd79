"""What chance alone would show: the line below which an importance says nothing."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["noise_lines"]

Floats = NDArray[np.float64]


def noise_lines(by_chance: Floats, *, level: float = 0.95) -> Floats:
    """Return (P,) the line of each parameter that chance crosses in one study of twenty, for any of them.

    Args:
        by_chance: (R, P) importances of P parameters in R permutations of the values.
        level: share of studies without any effect in which no parameter crosses its line, in (0, 1).

    Source: Westfall & Young 1993, Resampling-Based Multiple Testing, the single-step maxT procedure, over
    standardized figures; the quantile counts what was measured as one of the permutations.
    """
    mean = by_chance.mean(axis=0)
    spread = by_chance.std(axis=0, ddof=1)
    spread = np.where(spread > 0, spread, 1.0)
    most = np.sort(((by_chance - mean) / spread).max(axis=1))
    place = min(int(np.ceil(level * (len(most) + 1))), len(most)) - 1
    lines: Floats = mean + most[place] * spread
    return lines
