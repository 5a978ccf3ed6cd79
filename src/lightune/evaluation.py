"""Measure a finished run again, from its own configuration and checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch
from omegaconf import DictConfig, open_dict
from pytorch_lightning import LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn

from lightune.callbacks import TestPredictions, ValidationStepPredictions, untold
from lightune.checkpoints import load_weights, read_checkpoint
from lightune.config.build import FitPlan, build_fit
from lightune.config.trainer import build_trainer, point_at
from lightune.data import InMemoryData
from lightune.data.memory import judging_batch
from lightune.errors import ConfigError, Problem
from lightune.inference.labelled import Labelled, read_labelled
from lightune.prediction import restore
from lightune.reporting.data_file import require_same_data
from lightune.reporting.errors import write_errors
from lightune.reporting.fits import mean_metrics
from lightune.reporting.predictions import Names, Predictions, names_of, write_predictions
from lightune.run import prepare
from lightune.runtime.quiet import quiet
from lightune.tasks import SupervisedTask
from lightune.training.resumption import load_run_config, run_of

__all__ = ["evaluate", "evaluate_files"]

_STEPS = {"test": "test", "val": "validation"}


def evaluate(
    run_dir: str | Path,
    *,
    split: Literal["test", "val"] = "test",
    checkpoint: str = "best",
    errors: Path | None = None,
) -> dict[str, float]:
    """Measure a checkpoint of a run on its test or validation part; nothing is written but what `errors` asks for.

    Args:
        run_dir: the run's folder.
        split: which part to measure on.
        checkpoint: `best`, `last`, or the path of a file; of a run of several fits, one of theirs.
        errors: folder that predictions and the tables of errors are written to; None for none.

    Returns:
        `stage/metric` → value, the mean over the run's fits if it has several and no file is given; with the
        defaults, the test metrics of the run's `result.json` exactly.

    Raises:
        ConfigError: if the folder is no run, its configuration cannot run here, or the file is none of its fits'.
        CheckpointError: if a checkpoint is missing, as `best` is where the monitored metric was never measured, is
            damaged, or is not to be trusted.
    """
    folder = Path(run_dir)
    cfg = load_run_config(folder)
    cfg.logger = {}
    _train_alone(cfg)
    named = checkpoint in ("best", "last")
    if not named:
        if not Path(checkpoint).exists():
            raise ConfigError([Problem("--checkpoint", f"must be best, last, or a file, got {checkpoint}")])
        read_checkpoint(Path(checkpoint))
    parts = prepare(cfg)
    assert parts.trainer is not None
    require_same_data(folder, parts.data)
    measured, predictions = [], []
    tests = (TestPredictions if split == "test" else ValidationStepPredictions)(
        checks=not isinstance(parts.task, SupervisedTask)
    )
    with quiet(verbose=False):
        trainer = point_at(parts.trainer, cfg, run_dir=folder, first=[tests], bare=True)
        for plan in parts.plans if named else [_owner(Path(checkpoint), parts.plans, folder)]:
            home = folder / "fits" / str(plan.index) if len(parts.plans) > 1 else folder
            file = home / "checkpoints" / f"{checkpoint}.ckpt" if named else Path(checkpoint)
            weights = read_checkpoint(file)["state_dict"]
            task = parts.task if plan.index == 0 else build_fit(cfg, parts.data, plan)
            load_weights(task, weights, file)
            seed_everything(cfg.seed, workers=True, verbose=False)
            measure = trainer.test if split == "test" else trainer.validate
            if not is_overridden(f"{_STEPS[split]}_step", task):
                step, other = f"{_STEPS[split]}_step", "val" if split == "test" else "test"
                raise ConfigError([Problem("task", f"{type(task).__name__} has no {step}; try --split {other}")])
            measure(task, datamodule=parts.data, verbose=False)
            measured.append({name: float(value) for name, value in trainer.callback_metrics.items()})
            if errors is not None:
                predictions.append(_predicted(task, trainer, parts.data, plan, split, tests))
    if errors is not None:
        _write_errors(errors, split, predictions, names_of(parts.data))
    return mean_metrics(measured)


def evaluate_files(
    run_dir: str | Path,
    paths: Sequence[Path],
    *,
    checkpoint: str = "best",
    labels: Path | None = None,
    skip_unreadable: bool = False,
    errors: Path | None = None,
    tell: Callable[[str], object] = lambda remark: None,
) -> dict[str, float]:
    """Measure a checkpoint of a run on new samples whose targets are known; its own data are not needed.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        paths: tables with the column of the target, or folders with a folder a class.
        checkpoint: `best`, `last`, or the path of a file.
        labels: for pictures and sounds: a table with the columns `path` and `target`.
        skip_unreadable: whether a picture or sound that cannot be decoded is left out.
        errors: folder that predictions and the tables of errors are written to; None for none.
        tell: shows a line on what was found in the files.

    Returns:
        `test/metric` → value, the mean over the run's fits if it has several and no file is given.

    Raises:
        ConfigError: if the folder is no run, or the files cannot be read as labelled samples of its kind.
        CheckpointError: as `evaluate`.
    """
    fits = restore(run_dir, checkpoint=checkpoint)
    cfg = load_run_config(run_of(Path(run_dir)))
    cfg.logger = {}
    _train_alone(cfg, limit_test_batches=1.0)  # whatever share of its own data the run was measured on
    described = fits[0].described
    how = {"labels": labels, "pattern": cfg.data.get("pattern"), "skip_unreadable": skip_unreadable}
    batch_size = judging_batch(prod(described.get("raw_shape", described["input_shape"])))
    with _told_of_input():
        samples = read_labelled(paths, described, batch_size=batch_size, **how)
    measured, predictions = [], []
    for number, fit in enumerate(fits):
        tests = [TestPredictions()] if errors is not None else []  # which hold all that was predicted
        with quiet(verbose=False), torch.no_grad():
            trainer = build_trainer(cfg, run_dir=Path(run_dir), watchers=tests, bare=True)
            trainer.test(fit.task, dataloaders=_Prepared(samples, fit.preparation), verbose=False)
        measured.append({name: float(value) for name, value in trainer.callback_metrics.items()})
        for each in tests:
            gathered = each.of_all(trainer)
            assert gathered is not None
            predictions.append(Predictions(number, *gathered))
    for remark in samples.remarks:
        tell(remark)
    if errors is not None:
        names = Names(described["samples"].get("classes", ()), samples.rows, samples.files)
        _write_errors(errors, "input", predictions, names)
    return mean_metrics(measured)


class _Prepared:
    """Iterate over batches of new samples as a network takes them."""

    def __init__(self, samples: Labelled, preparation: nn.Module) -> None:
        self._samples, self._preparation = samples, preparation

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        with _told_of_input():
            for raw, targets in self._samples:
                yield self._preparation(raw), targets


def _train_alone(cfg: DictConfig, **more: Any) -> None:
    """Have a configuration measured in one process, however many trained it, and whatever compiled it."""
    if isinstance(cfg.get("trainer"), DictConfig):  # else it is refused when it is built
        with open_dict(cfg):
            cfg.trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "compile": "none", **more})


@contextmanager
def _told_of_input() -> Iterator[None]:
    """Refuse files that cannot be read as labelled samples.

    Raises:
        ConfigError: with the file and the reason.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        why = f"{error.filename} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem("--input", why)]) from error


def _predicted(
    task: LightningModule,
    trainer: Trainer,
    data: LightningDataModule,
    plan: FitPlan,
    split: Literal["test", "val"],
    tests: TestPredictions,
) -> Predictions:
    """Return what a task predicted for the part that it was measured on.

    Raises:
        ConfigError: if it does not tell.
    """
    if isinstance(task, SupervisedTask) and split == "val" and task.validated is not None:
        predicted, targets = (each.cpu() for each in task.validated)
        gathered: tuple[Tensor, Tensor, Tensor] | None = torch.arange(len(targets)), predicted.float(), targets
    else:
        gathered = tests.of_all(trainer)
    if gathered is None:
        rule = f"needs predictions: {untold(task, _STEPS[split], tests.lacking or 'returns no predictions')}"
        raise ConfigError([Problem("--errors", rule)])
    places, predicted, targets = gathered
    rows = torch.from_numpy(data.rows_of(split))[places] if isinstance(data, InMemoryData) else places
    return Predictions(plan.index, rows, predicted, targets)


def _write_errors(folder: Path, part: str, fits: Sequence[Predictions], names: Names) -> None:
    """Write predictions, and the tables of errors: of fits that judge different samples, those of all together."""
    try:
        write_predictions(folder, fits, names)
        if any(not torch.equal(each.rows, fits[0].rows) for each in fits):
            of_all = ([getattr(each, name) for each in fits] for name in ("rows", "predicted", "targets"))
            fits = [Predictions(0, *map(torch.cat, of_all))]
        write_errors(folder, part, fits, names)
    except OSError as error:
        raise ConfigError([Problem("--errors", f"{folder} cannot be written ({error.strerror})")]) from error


def _owner(checkpoint: Path, plans: Sequence[FitPlan], run_dir: Path) -> FitPlan:
    """Return the fit that a checkpoint is measured as: other fits were trained on the rows that judge this one."""
    if len(plans) == 1:
        return plans[0]
    for plan in plans:
        if checkpoint.resolve().is_relative_to((run_dir / "fits" / str(plan.index)).resolve()):
            return plan
    rule = f"must be one of {run_dir}/fits/*/checkpoints/, for the run has {len(plans)} fits, got {checkpoint}"
    raise ConfigError([Problem("--checkpoint", rule)])
