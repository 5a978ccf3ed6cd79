"""Studies with known answers, written as files: what matters in them was decided beforehand."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from studies import write_command

METRIC = "val/accuracy"
CLASSES = 4


def result(value: float | None, **about: Any) -> dict[str, Any]:
    """Return the content of a `result.json`."""
    return {
        "schema": 1, "name": "run", "status": "completed", "steps": 9,
        "objective": {"metric": METRIC, "mode": "max", "value": value, "epoch": 3, "std": None},
        "metrics": {METRIC: value, "val/loss": 0.5} if value is not None else {}, "seed": 0, "epochs": 5,
        "seconds": {"setup": 0.1, "train": 1.0, "validate": 0.2, "test": 0.0}, "samples_per_second": 100.0,
        "checkpoint": None, "error": None, "provenance": {}, "folds": [], "repeats": [], "intervals": {}, **about,
    }  # fmt: skip


def write_result(folder: Path, value: float | None, **about: Any) -> Path:
    """Write a run's result, and its configuration; return its folder."""
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    (folder / ".hydra" / "config.yaml").write_text("name: run\nnote: ''\ntags: []\n", encoding="utf-8")
    (folder / "result.json").write_text(json.dumps(result(value, **about)), encoding="utf-8")
    return folder


def write_curve(folder: Path, values: Sequence[float | None], metric: str = METRIC) -> None:
    """Write a run's curve of one metric."""
    lines = [f"{epoch},{epoch},{'' if value is None else value}" for epoch, value in enumerate(values)]
    (folder / "curves.csv").write_text("\n".join([f"epoch,step,{metric}", *lines]) + "\n", encoding="utf-8")


def write_right(folder: Path, right: Sequence[bool] | np.ndarray, rows: Sequence[int] | None = None) -> None:
    """Write validation predictions that are right where it is said."""
    right = np.asarray(right, dtype=bool)
    targets = np.arange(len(right)) % CLASSES
    chosen = np.where(right, targets, (targets + 1) % CLASSES)
    predicted = np.full((len(right), CLASSES), 0.1, dtype=np.float32)
    predicted[np.arange(len(right)), chosen] = 0.7
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "predictions_val.npz",
        rows=np.arange(len(right)) if rows is None else np.asarray(rows),
        predicted=predicted,
        targets=targets,
        classes=np.array([str(each) for each in range(CLASSES)]),
    )


def write_planted(
    folder: Path,
    points: Sequence[Mapping[str, str]],
    value: Callable[[Mapping[str, str]], float | None],
    *,
    space: Mapping[str, Any],
    state: Callable[[int], str] = lambda number: "completed",
    objectives: Sequence[tuple[str, str]] = ((METRIC, "max"),),
    others: Sequence[Callable[[Mapping[str, str]], float]] = (),
    error: str = "ValueError: too large",
    epochs: int = 5,
    files: bool = True,
    **about: Any,
) -> Path:
    """Write a study whose values are a function of its points; return its folder.

    Args:
        folder: to be made.
        points: key → text, of each trial.
        value: the first objective at a point.
        space: as `study.json` has it.
        state: of each trial, by its number; failed ones have no value.
        objectives: metric and mode of each.
        others: the further objectives at a point.
        error: of failed trials.
        epochs: of complete trials; pruned ones have two.
        files: whether trials have folders with results and curves.
        about: what else the spec says.
    """
    from lightune.study.definition.settings import Objective, Settings
    from lightune.study.definition.spec import Spec, write_spec
    from lightune.study.space.space import Space

    folder.mkdir(parents=True)
    settings = Settings(objectives=tuple(Objective(*pair) for pair in objectives))
    spec = Spec.of(folder.name, {}, overrides=[], space=Space(()), settings=settings, storage="journal",
                   config="conf", files={})  # fmt: skip
    random = {"_target_": "optuna.samplers.RandomSampler"}
    about = {"n_trials": len(points), "program": "python train.py", "sampler": random, **about}
    write_spec(folder, replace(spec, space=dict(space), **about))
    write_command(folder, *about.get("overrides", ()))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    keys, metrics = list(space), [metric for metric, _ in objectives]
    writer.writerow(["number", "state", *metrics, *keys, "seconds", "folder", "error"])
    for number, point in enumerate(points):
        status, reached = state(number), value(point)
        home, complete = folder / "trials" / str(number), status in ("completed", "early_stopped")
        row = [reached, *(other(point) for other in others)] if complete else [""] * len(metrics)
        why = error if status == "failed" else ""
        writer.writerow(
            [number, status, *row, *(point.get(key, "") for key in keys), "1.3", f"trials/{number}", why]
        )
        if files:
            trained = {"completed": epochs, "early_stopped": epochs, "pruned": 2}.get(status, 0)
            failure = {"type": "ValueError", "message": error, "traceback_file": "traceback.txt"}
            content = {"status": status, "epochs": trained, "error": failure if status == "failed" else None}
            write_result(home, reached if status != "failed" else None, **content)
            if trained and reached is not None:
                write_curve(home, [reached * (1 - 0.5 ** (epoch + 1)) for epoch in range(trained)])
    (folder / "trials.csv").write_text(table.getvalue(), encoding="utf-8")
    return folder


def drawn_points(count: int, space: Mapping[str, Any], seed: int = 0) -> list[dict[str, str]]:
    """Return points of a space, drawn independently."""
    generator = np.random.default_rng(seed)
    points = []
    for _ in range(count):
        point = {}
        for key, about in space.items():
            if "values" in about:
                point[key] = str(about["values"][int(generator.integers(len(about["values"])))])
            elif about["log"]:
                ends = np.log([about["low"], about["high"]])
                point[key] = repr(float(np.exp(generator.uniform(*ends))))
            else:
                point[key] = repr(float(generator.uniform(about["low"], about["high"])))
        points.append(point)
    return points


SPACE = {
    "optimizer.lr": {"low": 0.0001, "high": 0.1, "log": True},
    "regularization.dropout": {"low": 0.0, "high": 0.6, "log": False},
    "model.units": {"values": ["32", "64", "128"]},
    "optimizer": {"values": ["adam", "sgd"]},
}


def by_rate(point: Mapping[str, str]) -> float:
    """Return a value for which the rate alone matters, with the best at 0.01."""
    return 0.95 - 0.1 * abs(np.log10(float(point["optimizer.lr"])) + 2)


def write_by_rate(folder: Path, count: int = 60, **about: Any) -> Path:
    """Write a study in which the learning rate alone matters."""
    return write_planted(folder, drawn_points(count, SPACE), by_rate, space=SPACE, **about)
