"""How much a figure depends on each column of its samples."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["permutation_importance"]


def permutation_importance(
    measure: Callable[[Tensor], float], samples: Tensor, *, repeats: int, seed: int, higher_is_better: bool
) -> NDArray[np.float64]:
    """Return how much worse a figure gets where a column is dealt out among the samples at random.

    Args:
        measure: the figure of samples (N, C).
        samples: (N, C), N > 1; they are not changed.
        repeats: how often each column is dealt out anew, > 0.
        seed: of the permutations, each of which serves all columns.
        higher_is_better: whether the figure is better when it is higher.

    Returns:
        (repeats, C): positive where the figure gets worse.

    Source: Breiman 2001 (Random forests), section 10; Fisher, Rudin & Dominici 2019, section 3.
    """
    generator = torch.Generator().manual_seed(seed)
    sign = 1.0 if higher_is_better else -1.0
    whole = measure(samples)
    worse = np.empty((repeats, samples.shape[1]))
    for repeat in range(repeats):
        order = torch.randperm(len(samples), generator=generator)
        for column in range(samples.shape[1]):
            dealt = samples.clone()
            dealt[:, column] = samples[order, column]
            worse[repeat, column] = sign * (whole - measure(dealt))
    return worse
