"""Figures of each class, from what was predicted: confusions, precision, recall, F1, and doubtful labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassFigures", "LabelDoubts", "class_figures", "confusion_matrix", "doubtful_labels"]

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


class ClassFigures(NamedTuple):
    """Figures (C,) of each class; nothing of nothing is 0."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Counts


class LabelDoubts(NamedTuple):
    """Samples (D,) whose label is probably another one, the most doubtful first."""

    places: Counts
    suggested: Counts


def confusion_matrix(targets: Counts, predicted: Counts, classes: int) -> Counts:
    """Return how often each class (rows) was taken for each (columns): (C, C).

    Args:
        targets: (N,) the true class of each sample.
        predicted: (N,) the class that was predicted.
        classes: C, > 0.
    """
    counts = np.bincount(targets * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def class_figures(confusion: Counts) -> ClassFigures:
    """Return precision, recall, F1 and support of each class of a confusion matrix (C, C)."""
    true, support, chosen = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassFigures(_ratio(true, chosen), _ratio(true, support), _ratio(2 * true, support + chosen), support)


def doubtful_labels(probabilities: Floats, labels: Counts) -> LabelDoubts:
    """Find labels that are probably wrong, by confident learning.

    A class is confidently likely for a sample if its probability is at least the mean that it has among the
    samples labelled so. A label is doubted where the likeliest of the confidently likely classes is another one,
    and more probable than the label; they are ranked by how much.

    Args:
        probabilities: (N, C) of each class, from networks that have not learnt from the sample.
        labels: (N,) the given classes.

    Source: Northcutt, Jiang & Chuang 2021, Confident Learning (JAIR 70), eq. 2: the off-diagonals of the confident
    joint; ranked by the normalized margin.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probabilities[np.arange(len(labels)), labels]
    sums = np.bincount(labels, weights=own, minlength=classes)
    threshold = np.where(counts > 0, _ratio(sums, counts), np.inf)
    confident = np.where(probabilities >= threshold, probabilities, -np.inf)
    suggested = confident.argmax(axis=1)
    is_any = np.isfinite(confident.max(axis=1))
    margins = probabilities[np.arange(len(labels)), suggested] - own
    places = np.flatnonzero(is_any & (margins > 0))
    margin = margins[places]
    ranked = places[np.argsort(-margin, kind="stable")]
    return LabelDoubts(ranked, suggested[ranked])


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """Divide; nothing of nothing is 0."""
    top, bottom = part.astype(np.float64), whole.astype(np.float64)
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
