"""The record of one run: its finished fits, its figures, its row on the HParams page, its `result.json`."""

import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from numpy.typing import NDArray
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.loggers import Logger
from torch import Tensor

from lightune import secrets
from lightune.config.own_code import loaded_code
from lightune.data import InMemoryData
from lightune.data.indexed import fingerprint_of
from lightune.errors import ConfigError, InterruptedRun, StopRequested, TrainingError, UnwritableError
from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.metrics.meter import MetricSet, alone
from lightune.paths import expanded, program_typed, resume_command, row_name, shell_folder
from lightune.reporting import fits as fit_files
from lightune.reporting import provenance
from lightune.reporting.board import Board, Session
from lightune.reporting.confusion_picture import confusion_picture
from lightune.reporting.curves import write_curves
from lightune.reporting.errors import confusion_of, ranked_mistakes, write_errors, write_mislabelled
from lightune.reporting.fits import FitResult, mean_curves, mean_metrics, mean_objective
from lightune.reporting.hparams import HParam
from lightune.reporting.mistakes_picture import MOST as MOST_MISTAKES
from lightune.reporting.mistakes_picture import mistakes_picture
from lightune.reporting.predictions import Names, Predictions, names_of, validations_below, write_predictions
from lightune.reporting.rates_picture import rates_pictures
from lightune.reporting.result import (
    FINISHED,
    TRACEBACK_FILE,
    Entry,
    Failure,
    Interval,
    Objective,
    Result,
    Status,
    read_result,
    write_result,
)
from lightune.reporting.summary import show_summary
from lightune.reporting.tensorboard import hparams_of
from lightune.runtime.disk import is_unwritable
from lightune.runtime.plain_text import visible
from lightune.runtime.removed_checkpoints import remove_checkpoints
from lightune.statistics.confidence import confidence_interval
from lightune.tasks import SupervisedTask
from lightune.training.context import RunContext
from lightune.training.failures import explain
from lightune.training.fit import Fit
from lightune.training.lengthening import forget_finished, put_back_finished
from lightune.trial import current_trial

__all__ = ["RunRecord", "concluding", "mean_metric"]

log = logging.getLogger(__name__)

_TUNED = ("data", "augmentation", "model", "loss", "optimizer", "scheduler", "schedule", "regularization", "seed")
_LEVEL = 0.95  # of confidence intervals
_SAME_FIGURE = 1e-5  # between means over batches and over all samples


class RunRecord:
    """What is known of a run so far, and how it is written.

    Args:
        context: of the run.
        hparams: of its row on the HParams page; by default all that is tuned.

    Attributes:
        finished: the results of the fits that have ended by themselves, in their order.
        current: the fit that is trained or was trained last; None before the first.
        pruned: whether the run was stopped because its trial was pruned.
        test_seconds: wall time of testing so far.
        pictures: tag → what TensorBoard shows from the start.
    """

    def __init__(self, context: RunContext, hparams: Mapping[str, HParam] | None = None) -> None:
        self.context = context
        self._cost = provenance.Cost()
        self._fused: list[list[int]] | None = None
        self.finished: list[FitResult] = []
        self.current: Fit | None = None
        self.pruned = False
        self.test_seconds = 0.0
        self.pictures: dict[str, NDArray[np.uint8]] = {}
        self._found: dict[str, float] = {}
        self._hparams = hparams
        self._tested: dict[str, float] = {}
        self._intervals: dict[str, Interval] = {}
        self._boards: list[Board] = []
        self._is_put_back = False
        self._code = loaded_code().digest if context.processes.is_first else None

    def open_session(self, loggers: Sequence[Logger]) -> None:
        """Open the run's row on the HParams page; several fits have one row, in the run's own folder."""
        context, cfg = self.context, self.context.cfg
        self._boards = [logger for logger in loggers if isinstance(logger, Board)]
        root = Path(shell_folder(), expanded(cfg.output_root))
        hidden = secrets.secret_values(cfg)
        parameters = hparams_of(secrets.saveable(cfg), _TUNED, _options())
        session = Session(
            hparams=self._hparams or parameters,
            row=secrets.redact(row_name(context.run_dir, root), hidden),
            parameters=parameters,
            group=secrets.redact(_group(Path(os.path.relpath(context.run_dir, root)), cfg.name), hidden),
            note=secrets.redact(cfg.get("note") or "", hidden),
            tags=tuple(secrets.redact(str(word), hidden) for word in cfg.get("tags") or ()),
        )
        for board in self._boards:
            if context.has_several_fits and context.resumed:
                board.purge_step = 0  # the means are written anew
            board.start_session(session)
            for tag, picture in self.pictures.items():
                board.log_picture(tag, picture, 0)

    def take_found(self, context: RunContext, found: dict[str, float]) -> None:
        """Take note of what the run has found for itself before it is trained.

        Args:
            context: the same with what was found.
            found: key → value.
        """
        self.context, self._found = context, found

    def trained_with(self, members: int) -> None:
        """Take note that the run was trained for an epoch as one program with others.

        Args:
            members: how many were computed at once, itself included, > 0.
        """
        if self._fused is None:
            self._fused = _fused_before(self.context.run_dir)
        if not self._fused or self._fused[-1][0] != members:
            self._fused.append([members, 0])
        self._fused[-1][1] += 1

    def conclude(self, fit: Fit) -> FitResult:
        """Return the result of a fit that has ended by itself; of several, write it, which makes the fit finished.

        Raises:
            CheckpointError: if the best weights of one of several fits are missing or damaged.
        """
        fit.keep_validation()
        if self.context.parts.resampled:
            fit.judge_resubstitution()
        result = fit.result()
        if self.context.has_several_fits:
            fit.require_best()
            if self.context.processes.is_first:
                fit.leave()
                fit_files.write_fit(result, fit.folder)
        return result

    def say(self, what: str) -> None:
        """Write a line into `train.log` and show it."""
        log.info(what)
        if self.context.processes.is_first:
            self.context.console.print(what, highlight=False, soft_wrap=True)

    def add_test(
        self, measured: Sequence[dict[str, float]], predictions: Sequence[Predictions], untold: str = ""
    ) -> None:
        """Add what the test part gave.

        Args:
            measured: `test/metric` → value of each fit; the run has their means.
            predictions: of each fit; fewer than there are fits where a task makes none.
            untold: why it makes none, in a sentence.
        """
        self._tested = mean_metrics(measured)
        if len(predictions) < len(self.context.parts.plans):
            kind = type(self.context.parts.task).__name__
            why = untold or f"{kind} does not tell what it predicts"
            self.say(f"predictions and errors of the test are left out: {why}")
        if len(predictions) == len(self.context.parts.plans) and self.context.processes.is_first:
            names = names_of(self.context.parts.data)
            write_predictions(self.context.run_dir, predictions, names)
            write_errors(self.context.run_dir, "test", predictions, names)
            if predictions[0].of_classes:
                self._draw(predictions, names)
            self._bound(predictions)

    def _draw(self, predictions: Sequence[Predictions], names: Names) -> None:
        """Show the confusions of the test part, its rates at every threshold and its mistakes in TensorBoard."""
        if not self._boards:
            return
        confusion = confusion_of(predictions)
        classes = [names.of_class(number) for number in range(len(confusion))]
        predicted = torch.stack([fit.predicted for fit in predictions]).mean(dim=0)
        pictures = {
            "confusion": confusion_picture(confusion, classes),
            **rates_pictures(predicted.double().numpy(), predictions[0].targets.numpy(), classes),
            **self._mistakes(predictions[0], predicted, classes),
        }
        for board in self._boards:
            for tag, picture in pictures.items():
                board.log_picture(f"test/{tag}", picture, self.finished[0].logged_steps)

    def _mistakes(
        self, test: Predictions, predicted: Tensor, classes: Sequence[str]
    ) -> dict[str, NDArray[np.uint8]]:
        """Return a picture of the most confident mistakes, where samples are images."""
        data = self.context.parts.data
        if not isinstance(data, InMemoryData) or data.kind != "image":
            return {}
        inputs = data.samples.inputs
        if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
            return {}
        places = ranked_mistakes(predicted, test.targets)[:MOST_MISTAKES]
        if not places:
            return {}
        taken_for = predicted.argmax(dim=1)
        images = inputs[test.rows[places]].cpu().numpy()
        called = [[classes[int(labels[place])] for place in places] for labels in (test.targets, taken_for)]
        return {"mistakes": mistakes_picture(images, *called)}

    @property
    def ending(self) -> Status:
        """How a run that ended by itself ended."""
        endings = {"pruned"} if self.pruned else {fit.status for fit in self.finished}
        return next(status for status in ("pruned", "early_stopped", "completed") if status in endings)

    def report(self, status: Status, error: Exception | None = None) -> Result:
        """Write what came of the run, `result.json` last, and show it.

        Args:
            status: how it ended.
            error: why, if it failed.

        Raises:
            TrainingError: if the result cannot be written.
        """
        context = self.context
        context.interruption.defer()
        result = self._result(status, error)
        keep = OmegaConf.select(context.cfg, "callbacks.checkpoint.keep", default="both")
        if keep == "none" and status in FINISHED:
            result = _without_checkpoints(result)
        if result.error and context.processes.is_first and (before := put_back_finished(context.run_dir)):
            message = f"{result.error.message}; the run is what it was before it was made longer ({before})"
            result = replace(result, error=replace(result.error, message=message))
            self._is_put_back = True
        try:
            self._write(result)
            if keep != "both" and status in FINISHED and context.processes.is_first:
                names = ("last",) if keep == "best" else ("*",)
                remove_checkpoints(context.run_dir, f"as callbacks.checkpoint.keep={keep} says", names)
        except OSError as full:
            failure = result.error or Failure(_kind(full), explain(full), "")
            result = replace(result, status="failed", error=failure)
            raise TrainingError(result) from full
        finally:
            if context.processes.is_first:
                root, fits = Path(shell_folder(), expanded(context.cfg.output_root)), len(context.parts.plans)
                again = _resumed_by(result)
                show_summary(result, context.console, output_root=root, fits=fits, resumed_by=again)
        return result

    def _result(self, status: Status, error: Exception | None) -> Result:
        context, cfg, several = self.context, self.context.cfg, self.context.has_several_fits
        fits = list(self.finished)
        if not several and not fits and self.current:
            fits = [self.current.result(ended=False)]
        nothing = Objective(cfg.monitor.metric, cfg.monitor.mode, None, None)
        objective = (mean_objective(fits) if several else fits[0].objective) if fits else nothing
        return Result(
            run_dir=context.run_dir,
            name=cfg.name,
            status=status,
            objective=objective,
            metrics={**(mean_metrics([fit.metrics for fit in fits]) if fits else {}), **self._tested},
            seed=cfg.seed,
            epochs=sum(fit.epochs for fit in fits),
            steps=sum(fit.steps for fit in fits),
            seconds={
                "setup": context.parts.seconds + sum(fit.seconds["setup"] for fit in fits),
                "train": sum(fit.seconds["train"] for fit in fits),
                "validate": sum(fit.seconds["validate"] for fit in fits),
                "test": self.test_seconds,
            },
            samples_per_second=_speed(fits),
            checkpoint=fits[0].checkpoint if fits and not several else None,
            error=self._failure(error) if error else None,
            provenance=self._provenance() if context.processes.is_first else {},
            folds=self._folds(),
            repeats=self._repeats(),
            intervals=self._intervals,
            found=self._found,
        )

    def _write(self, result: Result) -> None:
        ending = read_result(result.run_dir) if self._is_put_back else result
        if ending.status != "interrupted":  # which is resumed, and must not show two ends
            self._end_session(ending)
        self.close()
        if self.context.processes.is_first:
            if not self._is_put_back:
                self._leave(ended=result.status in FINISHED)
                write_result(result)
            if result.status != "interrupted":
                forget_finished(result.run_dir)
            objective, status = result.objective, result.status
            value = "never measured" if objective.value is None else f"{objective.value:.6g}"
            best = "" if objective.epoch is None else f", best, at epoch {objective.epoch + 1}"
            log.info("%s: %s %s%s", status.replace("_", " "), objective.metric, value, best)

    def _leave(self, *, ended: bool) -> None:
        """Write curves and predictions: of a single fit, of one that was cut off, and of several together."""
        context, current = self.context, self.current
        if current is not None and not (context.has_several_fits and ended):
            current.keep_validation(ended=ended)
            current.leave()
        if not context.has_several_fits or len(self.finished) < len(context.parts.plans):
            return
        curves = mean_curves(self.finished)
        write_curves(context.run_dir, curves, epochs=len(curves["step"]))
        if any(plan.fold for plan in context.parts.plans):
            self._doubt_labels()

    def _doubt_labels(self) -> None:
        """Name the rows whose label is probably wrong, by the networks that have not learnt from them."""
        context = self.context
        try:
            judged = list(validations_below(context.run_dir))
        except OSError:  # left out on request, or the task does not tell
            return
        if judged[0].of_classes:
            splits = [plan.split for plan in context.parts.plans if plan.split is not None]
            # the archives have the rows of files, of which there may be many
            fits = [
                replace(each, rows=torch.from_numpy(split.val)) for each, split in zip(judged, splits, strict=True)
            ]
            write_mislabelled(context.run_dir, fits, names_of(context.parts.data))

    def close(self) -> None:
        """Close the event files of the run."""
        for board in self._boards:
            board.close()

    def _end_session(self, result: Result) -> None:
        several = self.context.has_several_fits
        if several and len(self.finished) == len(self.context.parts.plans) and self.finished:
            curves = mean_curves(self.finished)
            for place, step in enumerate(curves.pop("step", [])):
                for board in self._boards:
                    board.log_metrics({tag: values[place] for tag, values in curves.items()}, int(step))
        value = result.objective.value
        final = {**({"objective": value} if value is not None else {}), **(self._tested if several else {})}
        # the last point of each is what the page shows: that of the weights that are kept, as the objective is
        final |= {name: value for name, value in result.metrics.items() if name.startswith("val/")}
        for board in self._boards:
            board.end_session(result.status, final, result.steps // max(1, len(self.finished)))

    def _folds(self) -> list[Entry]:
        if not any(plan.fold for plan in self.context.parts.plans):
            return []
        return [fit.entry(fit.index) for fit in self.finished]

    def _repeats(self) -> list[Entry]:
        repeats = self.context.cfg.repeats
        if repeats == 1:
            return []
        per_repeat = len(self.context.parts.plans) // repeats
        entries = []
        for repeat in range(repeats):
            fits = [fit for fit in self.finished if fit.repeat == repeat]
            if len(fits) < per_repeat:
                continue  # interrupted in the middle
            checkpoint = fits[0].checkpoint if per_repeat == 1 else None
            epochs = sum(fit.epochs for fit in fits)
            objective = fits[0].objective if per_repeat == 1 else mean_objective(fits)
            means = objective, mean_metrics([fit.metrics for fit in fits])
            entries.append(Entry(repeat, fits[0].seed, *means, epochs, checkpoint))
        return entries

    def _bound(self, predictions: Sequence[Predictions]) -> None:
        """Put a confidence interval on the test figure that stands beside the objective."""
        task, cfg = self.context.parts.task, self.context.cfg
        metrics: MetricSet | None = task.metrics if isinstance(task, SupervisedTask) else _usual(predictions[0])
        if metrics is None or not (resamples := getattr(metrics, "bootstrap", 0)):
            return
        if isinstance(task, SupervisedTask):
            monitored = cfg.monitor.metric.partition("/")[2]
            name = monitored if monitored in metrics.names else metrics.names[0]
            key = f"test/{name}"
        elif (found := _told_again(metrics, predictions, self._tested, cfg.monitor.metric)) is not None:
            key, name = found
        else:
            return
        measure = mean_metric(metrics, name, predictions)
        samples = len(predictions[0].targets)
        low, high = confidence_interval(measure, samples, resamples=resamples, level=_LEVEL, seed=cfg.seed)
        self._intervals[key] = Interval(low, high, _LEVEL, resamples)

    def _failure(self, error: Exception) -> Failure:
        hidden = secrets.secret_values(self.context.cfg)
        text = "".join(traceback.format_exception(error))
        if self.context.processes.is_first:
            with suppress(OSError):  # the disk may be what failed
                file = self.context.run_dir / TRACEBACK_FILE
                file.write_text(visible(secrets.redact(text, hidden)), encoding="utf-8")
        return Failure(_kind(error), secrets.redact(explain(error), hidden), TRACEBACK_FILE)

    def _provenance(self) -> dict[str, object]:
        data = self.context.parts.data
        fingerprint = getattr(data, "fingerprint", None)
        digest = fingerprint() if callable(fingerprint) else fingerprint_of(data)
        if digest is None:
            kind = type(data).__name__
            log.info("%s has no fingerprint, as its samples are no tensors; a method of that name may tell", kind)
        return provenance.collect(
            self.context.run_dir,
            device=self.current.trainer.strategy.root_device if self.current else torch.device("cpu"),
            data_fingerprint=digest,
            code=self._code,
            cost=self._cost,
            fused=self._fused or [],
            output_root=Path(shell_folder(), expanded(self.context.cfg.output_root)),
        )


@contextmanager
def concluding(record: RunRecord) -> Iterator[None]:
    """Turn whatever ends a run before its end into a written result and the exception that carries it.

    Raises:
        ConfigError: one that was raised inside, as it is.
        TrainingError: if anything else failed.
        InterruptedRun: if a signal stopped the run.
    """
    context = record.context
    context.processes.when_lost = lambda lost: record.report("failed", lost)
    try:
        yield
        context.processes.needs_others = False
        context.interruption.defer()
    except ConfigError:
        record.close()
        if context.processes.is_first:
            put_back_finished(context.run_dir)
        raise
    except Exception as error:
        raise TrainingError(record.report("failed", error)) from error
    except (KeyboardInterrupt, SystemExit, StopRequested) as stop:
        code = 128 + stop.signum if isinstance(stop, StopRequested) else context.interruption.exit_code
        raise InterruptedRun(record.report("interrupted"), code) from stop


def mean_metric(
    metrics: MetricSet, name: str, predictions: Sequence[Predictions]
) -> Callable[[NDArray[np.int64]], float]:
    """Return a function that measures one metric on chosen rows of the test part: the mean over the fits.

    Args:
        metrics: the set that holds the metric.
        name: of the metric, e.g. `accuracy`.
        predictions: of each fit, for the same rows in the same order.
    """
    metric, inputs = alone(metrics, "test", name)
    metric.distributed_available_fn = lambda: False  # every process has all predictions
    targets = predictions[0].targets

    def measure(chosen: NDArray[np.int64]) -> float:
        rows = torch.from_numpy(chosen)
        values = []
        for each in predictions:
            metric.reset()
            metric.update(*inputs(each.predicted[rows], targets[rows]))
            values.append(float(metric.compute()))
        return sum(values) / len(values)

    return measure


def _usual(predictions: Predictions) -> MetricSet:
    """Return the usual metrics of what a task of one's own predicts."""
    return ClassificationMetrics(predictions.predicted.shape[1]) if predictions.of_classes else RegressionMetrics()


def _told_again(
    metrics: MetricSet, predictions: Sequence[Predictions], tested: Mapping[str, float], monitored: str
) -> tuple[str, str] | None:
    """Return a test figure of a task of one's own, and the usual metric that gives the same of its predictions.

    Args:
        metrics: the usual ones.
        predictions: of each fit.
        tested: name → value, as the task has logged them.
        monitored: the metric of the validation whose counterpart comes first.
    """
    every = np.arange(len(predictions[0].targets))
    usual = {name: mean_metric(metrics, name, predictions)(every) for name in metrics.names}
    first = f"test{monitored.removeprefix('val').removeprefix('train')}"
    for key in sorted(tested, key=lambda key: key != first):
        for name, value in usual.items():
            if abs(tested[key] - value) <= _SAME_FIGURE:
                return key, name
    return None


def _group(row: Path, name: str) -> str:
    """Return the study that a run belongs to, by its folder in the output root; else the run's own name."""
    return row.parts[1] if row.parts[:1] == ("studies",) and len(row.parts) > 2 else name


def _fused_before(run_dir: Path) -> list[list[int]]:
    """Return with how many a run was trained before it was cut off, as far as its result tells."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return [[int(members), int(epochs)] for members, epochs in read_result(run_dir).provenance["fused"]]
    return []


def _resumed_by(result: Result) -> str | None:
    """Return the line that resumes a run which was interrupted; a trial is resumed by its study."""
    if result.status != "interrupted" or current_trial() is not None:
        return None
    if HydraConfig.initialized():
        return resume_command(result.run_dir, program_typed())
    return f"lightune.resume({str(result.run_dir)!r})"


def _without_checkpoints(result: Result) -> Result:
    """Return a result that names no checkpoint."""
    folds, repeats = ([replace(each, checkpoint=None) for each in some] for some in (result.folds, result.repeats))
    return replace(result, checkpoint=None, folds=folds, repeats=repeats)


def _options() -> Mapping[str, str | None]:
    """Return group → option, as they were typed; nothing of a configuration that was composed in Python."""
    with suppress(OmegaConfBaseException):  # what trains a run again names no options
        if HydraConfig.initialized():
            return {str(group): option for group, option in HydraConfig.get().runtime.choices.items()}
    return {}


def _kind(error: Exception) -> str:
    """Return the name of an error's class; of any that a full disk has raised, the same."""
    return UnwritableError.__name__ if is_unwritable(error) else type(error).__name__


def _speed(fits: Sequence[FitResult]) -> float | None:
    """Return the samples a second over all fits, each weighted with its training time."""
    known = [(fit.samples_per_second, fit.seconds["train"]) for fit in fits if fit.samples_per_second]
    seconds = sum(weight for _, weight in known)
    return sum(speed * weight for speed, weight in known) / seconds if seconds else None
