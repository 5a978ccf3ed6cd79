"""Where a run is wrong: figures of each class, confusions, the most confident mistakes, doubtful labels."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.paths import MISLABELLED_FILE
from lightune.reporting.predictions import Names, Predictions
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import cell
from lightune.statistics.classes import class_figures, confusion_matrix, doubtful_labels

__all__ = ["confusion_of", "ranked_mistakes", "write_classes", "write_errors", "write_mislabelled"]

_MOST_MISTAKES = 100


def confusion_of(fits: Sequence[Predictions]) -> NDArray[np.int64]:
    """Return how often each class (rows) was taken for each (columns), summed over fits: (C, C)."""
    return np.sum([_confusion(fit) for fit in fits], axis=0)  # type: ignore[no-any-return]


def write_classes(folder: Path, part: str, fits: Sequence[Predictions], names: Names) -> None:
    """Write `classes_PART.csv`: precision, recall, F1 and support of each class, the means over fits.

    Args:
        folder: where to write.
        part: `val`, `test`, or another word for what was predicted.
        fits: of classes; support is that of one of them, where all have the same samples.
        names: of the classes.
    """
    figures = [class_figures(_confusion(fit)) for fit in fits]
    columns = [np.mean([each[place] for each in figures], axis=0) for place in range(4)]
    rows = (
        [cell(names.of_class(number)), *(f"{column[number]:.6g}" for column in columns)]
        for number in range(len(columns[0]))
    )
    _write(folder / f"classes_{part}.csv", ["class", "precision", "recall", "f1", "support"], rows)


def write_errors(folder: Path, part: str, fits: Sequence[Predictions], names: Names) -> None:
    """Write the tables of `PART`: of classes `classes_`, `confusion_` and `mistakes_PART.csv`, of values the last.

    Mistakes are those of the mean over fits, the most confident first, of values the largest differences.

    Args:
        folder: where to write.
        part: `val`, `test`, or another word for what was predicted.
        fits: for the same samples in the same order.
        names: of samples and classes.
    """
    first = fits[0]
    predicted = torch.stack([fit.predicted for fit in fits]).mean(dim=0)
    if not first.of_classes:
        wrong = (predicted - first.targets).abs().amax(dim=1)
        worst = wrong.argsort(descending=True)[:_MOST_MISTAKES].tolist()
        width = predicted.shape[1]
        header = [f"{name}_{number}" for name in ("target", "predicted") for number in range(width)]
        rows = (
            [*names.cells(int(first.rows[place])), *_short(first.targets[place]), *_short(predicted[place])]
            for place in worst
        )
        _write(folder / f"mistakes_{part}.csv", [*names.header, *header], rows)
        return
    write_classes(folder, part, fits, names)
    called = [cell(names.of_class(number)) for number in range(predicted.shape[1])]
    counts = ([name, *map(str, line)] for name, line in zip(called, confusion_of(fits).tolist(), strict=True))
    _write(folder / f"confusion_{part}.csv", ["target", *called], counts)
    probability, choice = predicted.max(dim=1)
    rows = (
        [
            *names.cells(int(first.rows[place])),
            called[int(first.targets[place])],
            called[int(choice[place])],
            *_short(torch.stack([probability[place], predicted[place, first.targets[place]]])),
        ]
        for place in ranked_mistakes(predicted, first.targets)[:_MOST_MISTAKES]
    )
    header = ["target", "predicted", "probability", "p_target"]
    _write(folder / f"mistakes_{part}.csv", [*names.header, *header], rows)


def ranked_mistakes(predicted: torch.Tensor, targets: torch.Tensor) -> list[int]:
    """Return the places of the samples that are taken for another class, the most confident first.

    Args:
        predicted: (N, C) probabilities.
        targets: (N,) classes.
    """
    probability, choice = predicted.max(dim=1)
    confidence = torch.where(choice != targets, probability, -1.0)
    ranked: list[int] = confidence.argsort(descending=True, stable=True)[: int((confidence >= 0).sum())].tolist()
    return ranked


def write_mislabelled(folder: Path, fits: Iterable[Predictions], names: Names) -> int:
    """Write `mislabelled.csv`: the rows whose label is probably wrong, the most doubtful first; return how many.

    Args:
        folder: of the run.
        fits: each for samples that it has not learnt from; where several judge a sample, their mean does.
        names: of samples and classes.
    """
    parts = list(fits)
    rows, inverse = np.unique(torch.cat([fit.rows for fit in parts]).numpy(), return_inverse=True)
    places = torch.from_numpy(inverse)
    predicted = torch.cat([fit.predicted for fit in parts]).double()
    sums = torch.zeros(len(rows), predicted.shape[1], dtype=torch.float64).index_add_(0, places, predicted)
    mean = (sums / torch.bincount(places).unsqueeze(1)).numpy()
    labels = torch.empty(len(rows), dtype=torch.int64)
    labels[places] = torch.cat([fit.targets for fit in parts])
    doubts = doubtful_labels(mean, labels.numpy())
    lines = (
        [
            *names.cells(int(rows[place])),
            cell(names.of_class(int(labels[place]))),
            cell(names.of_class(suggested)),
            f"{mean[place, int(labels[place])]:.6g}",
            f"{mean[place, suggested]:.6g}",
        ]
        for place, suggested in zip(doubts.places.tolist(), doubts.suggested.tolist(), strict=True)
    )
    _write(folder / MISLABELLED_FILE, [*names.header, "label", "suggested", "p_label", "p_suggested"], lines)
    return len(doubts.places)


def _confusion(fit: Predictions) -> NDArray[np.int64]:
    choices = fit.predicted.argmax(dim=1).numpy()
    return confusion_matrix(fit.targets.numpy(), choices, fit.predicted.shape[1])


def _write(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerow(header)
    lines.writerows(rows)
    write_whole(file, buffer.getvalue().encode())


def _short(values: torch.Tensor) -> list[str]:
    return [f"{value:.6g}" for value in values.tolist()]
