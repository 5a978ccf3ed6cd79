"""How a classifier does at every threshold: rates of what is found, and of what is found wrongly."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under", "average_precision", "precision_recall", "receiver_rates"]

Floats = NDArray[np.float64]


def receiver_rates(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the receiver operating characteristic: a point for each threshold, from (0, 0) to (1, 1).

    Args:
        scores: (N,), the higher the likelier positive.
        positive: (N,) what is so; both kinds must be there.

    Returns:
        False positive and true positive rates.
    """
    found, wrong = _counts(scores, positive)
    return np.append(0.0, wrong / wrong[-1]), np.append(0.0, found / found[-1])


def precision_recall(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return recall and precision at each threshold, the highest first.

    Args:
        scores: as `receiver_rates` takes them.
        positive: as there.
    """
    found, wrong = _counts(scores, positive)
    return found / found[-1], found / (found + wrong)


def area_under(x: Floats, y: Floats) -> float:
    """Return the area under a line by trapezoids; of `receiver_rates`, the AUROC."""
    return float(np.trapezoid(y, x))


def average_precision(recall: Floats, precision: Floats) -> float:
    """Return the mean of precisions, each by the recall that its threshold adds."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _counts(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return how many positives and negatives stand at or above each distinct score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are one threshold
    return np.cumsum(hits)[last].astype(np.float64), np.cumsum(~hits)[last].astype(np.float64)
