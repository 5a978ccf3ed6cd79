"""What a finished run's predictions are due to: the columns of a table, the pixels of an image."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.calibration import validation_parts
from lightune.data.columns import Column, used
from lightune.errors import ConfigError, Problem
from lightune.inference.attribution import gradient_times_input
from lightune.inference.labelled import read_labelled
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor
from lightune.inference.table_input import Tally
from lightune.metrics.meter import alone, is_higher_better
from lightune.prediction import Restored, load, restore
from lightune.reporting.attribution_picture import attribution_picture
from lightune.reporting.png import write_png
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import cell
from lightune.statistics.permutation import permutation_importance
from lightune.tasks import SupervisedTask
from lightune.training.resumption import load_run_config, run_of
from lightune.wording import counted

__all__ = [
    "FOLDER",
    "IMPORTANCE_FILE",
    "PICTURES_FILE",
    "Importances",
    "Pictures",
    "explain_columns",
    "explain_images",
    "kind_of",
]

FOLDER = "explain"
"""In a run's folder: what its predictions are due to."""

IMPORTANCE_FILE, PICTURES_FILE = "importance.csv", "pictures.csv"
_ROWS = 4096  # a batch
_MOST_ROWS = 8192  # of a fit
_UNSAFE = re.compile(r"[^\w.-]+")
_KINDS = {"audio": "sounds", "text": "texts"}


@dataclass(frozen=True)
class Importances:
    """How much a figure of a run gets worse where a column is dealt out at random.

    Args:
        metric: the figure, e.g. `accuracy`, or `loss`.
        value: of the samples as they are, the mean over the fits.
        rows: samples that it was measured on, the sum over the fits; of new samples, which all fits share, theirs.
        columns: names, the most important first.
        mean: (C,) of each, over fits and repeats.
        std: (C,) likewise, n - 1 in the denominator; 0 of a single one.
        remarks: what a person should know of the samples.
    """

    metric: str
    value: float
    rows: int
    columns: list[str]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Pictures:
    """What of images speaks for what is predicted.

    Args:
        files: the pictures, relative to the folder.
        names: what the images are called.
        predicted: what is predicted for each: a class, or a value.
        targets: what each is; empty where that is not known.
        remarks: what a person should know of the images.
    """

    files: list[str]
    names: list[str]
    predicted: list[str]
    targets: list[str]
    remarks: Sequence[str] = ()


def kind_of(run_dir: Path, checkpoint: str = "best") -> str:
    """Return what the samples of a run are: `table` or `image`.

    Raises:
        ConfigError: if they are something else, which is not explained; or as `restore`.
        CheckpointError: as `restore`.
    """
    described = restore(run_dir, checkpoint=checkpoint)[0].described
    kind = str(described["kind"])
    if kind not in ("table", "image") or len(described.get("raw_shape", described["input_shape"])) not in (1, 3):
        what = _KINDS.get(kind, f"samples of the kind {kind}")
        raise ConfigError(
            [Problem("--inputs", f"explains columns of tables and pixels of images, and the run reads {what}")]
        )
    return kind


def explain_columns(
    run_dir: Path,
    *,
    paths: Sequence[Path] = (),
    checkpoint: str = "best",
    metric: str | None = None,
    repeats: int = 10,
    seed: int = 0,
) -> Importances:
    """Measure how much each column of a table matters to a run, and write `explain/importance.csv`.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        paths: tables with the column of the target; by default the validation part of each fit.
        checkpoint: `best`, `last`, or the path of a file.
        metric: which figure, without its stage; by default that which the run was judged by.
        repeats: how often each column is dealt out, > 0.
        seed: of how.

    Raises:
        ConfigError: if the samples cannot be read, there is no such metric, or the folder cannot be written to.
        CheckpointError: as `restore`.
    """
    fits = restore(run_dir, checkpoint=checkpoint)
    metric = _metric(run_dir, fits[0].task, metric)
    remarks: list[str] = []
    if paths:
        raw, targets = _labelled(paths, fits[0].described, remarks)
        parts = [(raw, targets)] * len(fits)
    else:
        needs = "reads the run's validation part, and its data cannot be read here"
        parts = [(each.raw, each.targets) for each in validation_parts(run_dir, asked="--inputs", needs=needs)]
    worse, values = [], []
    for fit, (raw, targets) in zip(fits, parts, strict=True):
        if len(raw) < 2:
            raise ConfigError(
                [Problem("--inputs", f"deals columns out among rows, and there is {counted(len(raw), 'row')}")]
            )
        if len(raw) > _MOST_ROWS:
            chosen = torch.randperm(len(raw), generator=torch.Generator().manual_seed(seed))[:_MOST_ROWS]
            remarks.append(f"{_MOST_ROWS:,} rows of {len(raw):,} were drawn")
            raw, targets = raw[chosen], targets[chosen]
        measure = _measure(fit, metric, targets)
        higher = is_higher_better(fit.task.metrics, metric)
        worse.append(permutation_importance(measure, raw, repeats=repeats, seed=seed, higher_is_better=higher))
        values.append(measure(raw))
    together = np.concatenate(worse)
    mean = together.mean(axis=0)
    std = together.std(axis=0, ddof=1) if len(together) > 1 else np.zeros_like(mean)
    names, order = _column_names(fits[0], together.shape[1]), np.argsort(-mean, kind="stable")
    rows = len(parts[0][0]) if paths else sum(len(raw) for raw, _ in parts)
    found = Importances(
        metric, float(np.mean(values)), rows, [names[place] for place in order], mean[order], std[order],
        list(dict.fromkeys(remarks)),
    )  # fmt: skip
    lines = [["column", "importance", "std"]]
    lines += [
        [cell(name), f"{each:.6g}", f"{spread:.6g}"]
        for name, each, spread in zip(found.columns, found.mean, found.std, strict=True)
    ]
    _write_table(run_dir / FOLDER / IMPORTANCE_FILE, lines)
    return found


def explain_images(
    run_dir: Path,
    *,
    paths: Sequence[Path] = (),
    checkpoint: str = "best",
    device: str = "auto",
    samples: int = 16,
    seed: int = 0,
) -> Pictures:
    """Draw what of some images speaks for what a run predicts for them; write the pictures and their table.

    Of a run of several fits the images are of the validation part of the first, and the mean of all fits speaks
    where the images are new.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        paths: images, or folders of them; by default images of the validation part, drawn at random.
        checkpoint: `best`, `last`, or the path of a file.
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        samples: how many images at most, > 0.
        seed: of the drawing.

    Raises:
        ConfigError: if the images cannot be read, or the folder cannot be written to.
        CheckpointError: as `restore`.
    """
    predictor = load(run_dir, checkpoint=checkpoint, device=device)
    remarks: list[str] = []
    targets: list[str] = []
    networks = predictor.networks
    if paths:
        names, raw = _images(predictor, paths, samples, remarks)
    else:
        needs = "reads the run's validation part, and its data cannot be read here"
        part = validation_parts(run_dir, asked="--inputs", needs=needs)[0]
        drawn = (
            torch.randperm(len(part.raw), generator=torch.Generator().manual_seed(seed))[:samples].sort().values
        )
        names, raw = [part.names[place] for place in drawn.tolist()], part.raw[drawn]
        targets = [_said(predictor, each) for each in part.targets[drawn]]
        networks = networks[:1]  # the others have learnt from these
    attributions, predictions = _mean_attribution(networks, raw, of_classes=bool(predictor.classes))
    predicted = [_said(predictor, each.argmax() if predictor.classes else each) for each in predictions]
    files = []
    folder = run_dir / FOLDER
    for place, (name, image, attribution) in enumerate(zip(names, raw, attributions, strict=True)):
        files.append(f"pictures/{place:03}_{_plain(name)}.png")
        with _writing(folder):
            write_png(folder / files[-1], attribution_picture(image.float().numpy(), attribution.numpy()))
    header = ["picture", "image", "predicted", *(["target"] if targets else [])]
    columns = [files, names, predicted, *([targets] if targets else [])]
    _write_table(
        folder / PICTURES_FILE, [header, *([cell(text) for text in row] for row in zip(*columns, strict=True))]
    )
    return Pictures(files, names, predicted, targets, remarks)


def _mean_attribution(
    networks: Sequence[PredictingNetwork], raw: Tensor, *, of_classes: bool
) -> tuple[Tensor, Tensor]:
    each = [gradient_times_input(network, raw, of_classes=of_classes) for network in networks]
    attributions, predictions = (torch.stack(parts).mean(dim=0) for parts in zip(*each, strict=True))
    return attributions, predictions


def _metric(run_dir: Path, task: SupervisedTask, asked: str | None) -> str:
    names = ("loss", *task.metrics.names)
    monitored = str(load_run_config(run_of(run_dir)).monitor.metric).partition("/")[2]
    metric = asked or (monitored if monitored in names else names[0])
    if metric not in names:
        raise ConfigError([Problem("--metric", f"must be one of {', '.join(names)}, got {metric}")])
    return metric


def _measure(fit: Restored, name: str, targets: Tensor) -> Callable[[Tensor], float]:
    """Return what measures a figure of rows (N, C) whose targets are given."""
    task, preparation = fit.task.eval(), fit.preparation
    metric, inputs = (None, None) if name == "loss" else alone(task.metrics, "val", name)

    def measure(raw: Tensor) -> float:
        with torch.inference_mode():
            outputs = torch.cat([task(preparation(part)) for part in torch.split(raw, _ROWS)])
            if metric is None or inputs is None:
                return float(task.loss(outputs, task.wanted(targets)))
            metric.reset()
            metric.update(*inputs(task.predictions(outputs), targets))
            return float(metric.compute())

    return measure


def _labelled(paths: Sequence[Path], described: dict[str, Any], remarks: list[str]) -> tuple[Tensor, Tensor]:
    try:
        samples = read_labelled(paths, described, batch_size=_ROWS)
        parts = list(samples)
    except (OSError, ValueError) as error:
        why = f"{error.filename} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem("--input", why)]) from error
    remarks += samples.remarks
    raw, targets = (torch.cat(each) for each in zip(*parts, strict=True))
    return raw, targets


def _images(
    predictor: Predictor, paths: Sequence[Path], most: int, remarks: list[str]
) -> tuple[list[str], Tensor]:
    names: list[str] = []
    parts: list[Tensor] = []
    tally = Tally()
    try:
        for path in paths:
            for some, raw in predictor.read_file(path, tally):
                names += some
                parts.append(raw)
                if len(names) > most:
                    break
    except (OSError, ValueError) as error:
        raise ConfigError([Problem("--input", str(error))]) from error
    if not names:
        raise ConfigError([Problem("--input", "names no image")])
    if len(names) > most:
        remarks.append(f"the first {counted(most, 'image')} only; --samples says how many")
    return names[:most], torch.cat(parts)[:most]


def _column_names(fit: Restored, count: int) -> list[str]:
    columns = fit.described["samples"].get("columns")
    if columns is None:  # data that name none
        return [f"column {place}" for place in range(count)]
    return [column.name for column in used([Column.from_plain(plain) for plain in columns])]


def _said(predictor: Predictor, value: Tensor) -> str:
    if predictor.classes:
        return predictor.classes[int(value)]
    return " ".join(f"{each:.6g}" for each in value.flatten().tolist())


def _plain(name: str) -> str:
    """Return a name as a part of a file's name."""
    return _UNSAFE.sub("_", Path(name).stem)[:60].strip("._") or "image"


def _write_table(file: Path, lines: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    with _writing(file.parent):
        write_whole(file, text.getvalue().encode())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Refuse a folder that cannot be written to.

    Raises:
        ConfigError: with the reason.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError([Problem(str(folder), f"cannot be written ({error.strerror})")]) from error
