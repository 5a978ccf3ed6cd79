"""The story of one run: seed, build, fit, test, report."""

import logging
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import Logger
from rich.console import Console

from lightune import secrets
from lightune.callbacks import Interruption, Pruning
from lightune.config.build import FitPlan, Parts, build, build_fit, build_loggers, build_trainer
from lightune.config.compose import compose
from lightune.config.validate import validate
from lightune.errors import ConfigError, InterruptedRun, Problem, StopRequested, TrainingError
from lightune.paths import create_run_dir, outer_rank
from lightune.reporting import fits as fit_files
from lightune.reporting import provenance
from lightune.reporting.fits import FitResult, mean_curves, mean_metrics, mean_objective
from lightune.reporting.predictions import Predictions, write_predictions
from lightune.reporting.result import Entry, Failure, Interval, Objective, Result, Status, write_result
from lightune.reporting.summary import show_summary
from lightune.reporting.tensorboard import HParam, TensorBoard, hparams_of
from lightune.reporting.train_log import train_log
from lightune.runtime.quiet import quiet
from lightune.statistics.confidence import confidence_interval
from lightune.tasks import SupervisedTask
from lightune.training.failures import explain
from lightune.training.fit import Fit
from lightune.training.process_group import Group, joined
from lightune.training.resumption import (
    keep_config,
    newest_checkpoint,
    only_owner,
    reopen,
    require_same_processes,
    require_sound_checkpoints,
    resumed_config,
)

__all__ = ["InterruptedRun", "TrainingError", "prepare", "resume", "train"]

log = logging.getLogger(__name__)

TRACEBACK_FILE = "traceback.txt"
_TUNED = ("data", "model", "loss", "optimizer", "scheduler", "regularization", "seed")
_LEVEL = 0.95  # of confidence intervals


def prepare(cfg: DictConfig) -> Parts:
    """Judge a configuration and build its parts; nothing is written.

    Raises:
        ConfigError: with all that is wrong.
    """
    validate(cfg)
    with quiet(verbose=False):
        return build(cfg)


def train(
    cfg: DictConfig,
    *,
    parts: Parts | None = None,
    run_dir: Path | None = None,
    resume: bool = False,
    verbose: bool = False,
    watchers: Sequence[Callback] = (),
    report: Callable[[int, float], bool] | None = None,
    hparams: Mapping[str, HParam] | None = None,
) -> Result:
    """Train as a configuration says: one network, or one for each fold and repeat.

    Args:
        cfg: as `compose` returns it.
        parts: what `prepare(cfg)` returned, if it was called before.
        run_dir: an existing folder to write to; a new one below `output_root` by default.
        resume: whether to go on with what `run_dir` holds, from its newest sound checkpoint.
        verbose: whether Lightning may say all that it has to say.
        watchers: callbacks beside those of the configuration.
        report: told how the run does: (epochs trained, monitored metric), or, where the run has several fits,
            (fits finished, mean of their objectives); the run is pruned when it returns True.
        hparams: what the run is called by on TensorBoard's HParams page; by default all that one tunes.

    Returns:
        The result, which `result.json` in `result.run_dir` holds too.

    Raises:
        ConfigError: if the configuration cannot run; nothing was written.
        TrainingError: if the training failed; its result was written.
        InterruptedRun: if it was stopped from outside; its result was written.
    """
    if cfg.resume is not None and run_dir is None:
        raise ConfigError([Problem("resume", "belongs to the command line; in Python call lightune.resume(RUN)")])
    parts = parts or prepare(cfg)
    leads = outer_rank() == 0
    if leads:
        run_dir = run_dir or _new_run_dir(cfg)
    interruption = Interruption()
    with quiet(verbose):
        trainer: Trainer = build_trainer(cfg, run_dir=run_dir or Path(), bare=True)
    if resume and leads and run_dir:
        require_same_processes(run_dir, trainer.world_size)
    with (
        only_owner(run_dir) if leads and run_dir else nullcontext(),
        joined(trainer, cfg, run_dir, resume=resume, verbose=verbose) as group,
        quiet(verbose),
        interruption.watching(),
    ):
        run_dir = group.agree(run_dir)
        assert run_dir is not None
        with train_log(run_dir, cfg, verbose=verbose) if group.is_first else nullcontext():
            if resume and group.is_first:
                keep_config(run_dir, cfg)
                reopen(run_dir)
            group.agree(None)  # nobody looks at the folder before
            console = Console(quiet=not group.is_first)
            run = Run(cfg, parts, run_dir, console, interruption, tuple(watchers), resume, group, report, hparams)
            group.when_lost = lambda lost: run.report("failed", lost)
            try:
                run.fit()
                run.test()
                group.needs_others = False
                interruption.hold()
            except ConfigError:
                raise
            except Exception as error:
                raise TrainingError(run.report("failed", error)) from error
            except (KeyboardInterrupt, SystemExit, StopRequested) as stop:
                raise InterruptedRun(run.report("interrupted"), interruption.exit_code) from stop
            return run.report(run.ending)


def resume(run_dir: str | Path, overrides: Sequence[str] = (), *, verbose: bool = False) -> Result:
    """Go on with a run that was cut off, or make a finished one longer.

    Args:
        run_dir: the run's folder.
        overrides: what lengthens or moves it, e.g. `["trainer.max_epochs=100"]`.
        verbose: whether Lightning may say all that it has to say.

    Returns:
        The result of the whole run.

    Raises:
        ConfigError: if the folder is no run, or the run is finished, or an override would make it another run,
            or a fit of it has no sound checkpoint.
        TrainingError: as `train`.
        InterruptedRun: as `train`.
    """
    cfg = resumed_config(Path(run_dir), overrides, compose(overrides))
    require_sound_checkpoints(Path(run_dir))
    return train(cfg, run_dir=Path(run_dir), resume=True, verbose=verbose)


@dataclass
class Run:
    """A run under way: its fits, its test, its report.

    Args:
        cfg: its configuration.
        parts: built of it.
        run_dir: its folder.
        console: where it speaks.
        interruption: what tells it of signals.
        watchers: callbacks beside those of the configuration.
        resume: whether it goes on with what lies in its folder.
        group: the processes that train it.
        tell: told how it does, as `report` of `train`.
        hparams: of its row on the HParams page; by default all that can be tuned.
    """

    cfg: DictConfig
    parts: Parts
    run_dir: Path
    console: Console
    interruption: Interruption
    watchers: tuple[Callback, ...]
    resume: bool
    group: Group
    tell: Callable[[int, float], bool] | None = None
    hparams: Mapping[str, HParam] | None = None
    finished: list[FitResult] = field(default_factory=list)
    tested: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.current: Fit | None = None
        self._seconds = {"setup": self.parts.seconds, "test": 0.0}
        self._several = len(self.parts.plans) > 1
        self._pruned = False
        self._boards: list[TensorBoard] = []
        self._fresh_task = True
        if self.tell is not None and not self._several:
            self.watchers += (Pruning(self.cfg.monitor.metric, self.tell),)

    def fit(self) -> None:
        """Train every fit that is not finished, each from its seed or from its newest sound checkpoint."""
        if self._several:
            self.start_session(build_loggers(self.cfg, self.run_dir))
        together = self._fit_together() if self._several else {}
        for plan in self.parts.plans:
            folder = self.folder(plan)
            if self._several and self.resume and (done := fit_files.read_fit(folder)):
                self.finished.append(done)
                continue
            if plan.index in together:
                self.finished.append(_sound(together[plan.index]))
                continue
            self._fit_one(plan, newest_checkpoint(folder) if self.resume or self._several else None)
            self.interruption.stop_if_asked()
            if self._several and self._is_hopeless():
                self._pruned = True
                return

    def test(self) -> None:
        """Measure the test part with the best weights of each fit, if the configuration wants it."""
        if not self.cfg.test or self._pruned:
            return
        measured, predictions = [], []
        for plan in self.parts.plans:
            fit = self.current if not self._several and self.current else self._open(plan)
            if not fit.can_be_tested:
                return
            try:
                if self._several:
                    fit.stand_at(self.finished[plan.index].steps)
                figures, predicted = fit.test()
            finally:
                for board in fit.boards if self._several else []:
                    board.close()
            self._seconds["test"] += fit.record.test_seconds
            measured.append(figures)
            predictions += [predicted] if predicted else []
        self.tested = mean_metrics(measured)
        if len(predictions) == len(self.parts.plans) and self.group.is_first:
            write_predictions(self.run_dir, predictions)
            self._bound(predictions)

    @property
    def ending(self) -> Status:
        """How a run that ended by itself ended."""
        endings = {"pruned"} if self._pruned else {fit.status for fit in self.finished}
        return next(status for status in ("pruned", "early_stopped", "completed") if status in endings)

    def report(self, status: Status, error: Exception | None = None) -> Result:
        """Write what came of the run, `result.json` last, and show it."""
        self.interruption.hold()
        fits = list(self.finished)
        if not self._several and not fits and self.current:
            fits = [self.current.result()]
        nothing = Objective(self.cfg.monitor.metric, self.cfg.monitor.mode, None, None)
        objective = (mean_objective(fits) if self._several else fits[0].objective) if fits else nothing
        result = Result(
            run_dir=self.run_dir,
            name=self.cfg.name,
            status=status,
            objective=objective,
            metrics={**(mean_metrics([fit.metrics for fit in fits]) if fits else {}), **self.tested},
            seed=self.cfg.seed,
            epochs=sum(fit.epochs for fit in fits),
            steps=sum(fit.steps for fit in fits),
            seconds={
                "setup": self._seconds["setup"] + sum(fit.seconds["setup"] for fit in fits),
                "train": sum(fit.seconds["train"] for fit in fits),
                "validate": sum(fit.seconds["validate"] for fit in fits),
                "test": self._seconds["test"],
            },
            samples_per_second=_speed(fits),
            checkpoint=fits[0].checkpoint if fits and not self._several else None,
            error=self._failure(error) if error else None,
            provenance=self._provenance() if self.group.is_first else {},
            folds=self._folds(),
            repeats=self._repeats(),
            intervals=self.intervals,
        )
        try:
            self._write(result)
        except OSError as full:
            failure = result.error or Failure(type(full).__name__, explain(full), "")
            result = replace(result, status="failed", error=failure)
            raise TrainingError(result) from full
        finally:
            if self.group.is_first:
                show_summary(
                    result, self.console, output_root=Path(self.cfg.output_root), fits=len(self.parts.plans)
                )
        return result

    def _write(self, result: Result) -> None:
        if result.status != "interrupted":  # which goes on, and must not show two ends
            self._end_session(result)
        for board in self._boards:
            board.close()
        if self.group.is_first:
            write_result(result)
            objective, status = result.objective, result.status
            value = "never measured" if objective.value is None else f"{objective.value:.6g}"
            best = "" if objective.epoch is None else f", best, at epoch {objective.epoch + 1}"
            log.info("%s: %s %s%s", status.replace("_", " "), objective.metric, value, best)

    def _fit_one(self, plan: FitPlan, checkpoint: Path | None) -> None:
        self.current = fit = self._open(plan, checkpoint)
        if not self._several:
            self.start_session(fit.trainer.loggers)
        else:
            log.info("fit %d of %d: seed %d", plan.index + 1, len(self.parts.plans), plan.seed)
        try:
            fit.train()
            self.finished.append(self.conclude(fit))
        finally:
            for board in fit.boards if self._several else []:
                board.close()

    def conclude(self, fit: Fit) -> FitResult:
        """Take down what came of a fit that has ended by itself: from now on it is finished."""
        if self._is_resampled:
            fit.judge_resubstitution()
        result = fit.result()
        if self._several:
            fit.require_best()
        if self._several and self.group.is_first:
            fit_files.write_fit(result, fit.folder)
        return result

    def _fit_together(self) -> dict[int, FitResult | Exception]:
        """Train as one program what can be; return a fit's number → what came of it."""
        from lightune.training.fused.fold_strategy import train_together  # which stands on this module

        return train_together(self)

    def _is_hopeless(self) -> bool:
        """Report the mean of the finished fits, unless these are all; the first process asks, all of them stop."""
        stop, done = False, len(self.finished)
        if self.tell is not None and done < len(self.parts.plans):
            mean = mean_objective(self.finished).value
            stop = mean is not None and self.tell(done, mean)
        return self.group.agree(stop)

    def _open(self, plan: FitPlan, checkpoint: Path | None = None) -> Fit:
        """Make a fit ready; the task that was built with the parts serves once."""
        task = self.parts.task
        if not (self._fresh_task and plan.index == 0):
            task = build_fit(self.cfg, self.parts.data, plan)
        self._fresh_task = False
        folder = self.folder(plan)
        return Fit(
            self.cfg,
            self.parts.data,
            task,
            plan,
            folder=folder,
            run_dir=self.run_dir,
            console=self.console,
            watchers=(self.interruption, *self.watchers),
            checkpoint=checkpoint,
            resumed=self.resume or checkpoint is not None or any(folder.glob("events.*")),
            fits=len(self.parts.plans),
        )

    def folder(self, plan: FitPlan) -> Path:
        """Return the folder of a fit."""
        return self.run_dir / "fits" / str(plan.index) if self._several else self.run_dir

    @property
    def _is_resampled(self) -> bool:
        return bool(self.parts.resampled)

    def _folds(self) -> list[Entry]:
        if not any(plan.fold for plan in self.parts.plans):
            return []
        return [fit.entry(fit.index) for fit in self.finished]

    def _repeats(self) -> list[Entry]:
        if self.cfg.repeats == 1:
            return []
        per_repeat = len(self.parts.plans) // self.cfg.repeats
        entries = []
        for repeat in range(self.cfg.repeats):
            fits = [fit for fit in self.finished if fit.repeat == repeat]
            if len(fits) < per_repeat:
                continue  # cut off in the middle
            checkpoint = fits[0].checkpoint if per_repeat == 1 else None
            epochs = sum(fit.epochs for fit in fits)
            objective = fits[0].objective if per_repeat == 1 else mean_objective(fits)
            means = objective, mean_metrics([fit.metrics for fit in fits])
            entries.append(Entry(repeat, fits[0].seed, *means, epochs, checkpoint))
        return entries

    def _bound(self, predictions: Sequence[Predictions]) -> None:
        """Put a confidence interval on the test figure that stands beside the objective."""
        task = self.parts.task
        if not isinstance(task, SupervisedTask) or not (resamples := getattr(task.metrics, "bootstrap", 0)):
            return
        monitored = self.cfg.monitor.metric.partition("/")[2]
        name = monitored if monitored in task.metrics.names else task.metrics.names[0]
        predicted, targets = [each.predicted for each in predictions], predictions[0].targets
        low, high = confidence_interval(
            task.metrics, name, predicted, targets, resamples=resamples, level=_LEVEL, seed=self.cfg.seed
        )
        self.intervals[f"test/{name}"] = Interval(low, high, _LEVEL, resamples)

    def start_session(self, loggers: Sequence[Logger]) -> None:
        """Open the run's row on the HParams page; several fits have one row, in the run's own folder."""
        self._boards = [logger for logger in loggers if isinstance(logger, TensorBoard)]
        row = os.path.relpath(self.run_dir, self.cfg.output_root)
        for board in self._boards:
            if self._several and self.resume:
                board.purge_step = 0  # the means are written anew
            hparams = self.hparams or hparams_of(secrets.saveable(self.cfg), _TUNED)
            board.start_session(hparams, secrets.redact(row, secrets.secret_values(self.cfg)))

    def _end_session(self, result: Result) -> None:
        if self._several and len(self.finished) == len(self.parts.plans) and self.finished:
            curves = mean_curves(self.finished)
            for place, step in enumerate(curves.pop("step", [])):
                for board in self._boards:
                    board.log_metrics({tag: values[place] for tag, values in curves.items()}, int(step))
        value = result.objective.value
        final = {**({"objective": value} if value is not None else {}), **(self.tested if self._several else {})}
        for board in self._boards:
            board.end_session(result.status, final, result.steps // max(1, len(self.finished)))

    def _failure(self, error: Exception) -> Failure:
        hidden = secrets.secret_values(self.cfg)
        text = "".join(traceback.format_exception(error))
        if self.group.is_first:
            with suppress(OSError):  # the disk may be what failed
                (self.run_dir / TRACEBACK_FILE).write_text(secrets.redact(text, hidden), encoding="utf-8")
        return Failure(type(error).__name__, secrets.redact(explain(error), hidden), TRACEBACK_FILE)

    def _provenance(self) -> dict[str, object]:
        fingerprint = getattr(self.parts.data, "fingerprint", None)
        return provenance.collect(
            self.run_dir,
            device=self.current.trainer.strategy.root_device if self.current else torch.device("cpu"),
            data_fingerprint=fingerprint() if callable(fingerprint) else None,
        )


def _sound(ending: FitResult | Exception) -> FitResult:
    if isinstance(ending, Exception):
        raise ending
    return ending


def _speed(fits: Sequence[FitResult]) -> float | None:
    """Return the samples a second over all fits, each weighing as long as it trained."""
    known = [(fit.samples_per_second, fit.seconds["train"]) for fit in fits if fit.samples_per_second]
    seconds = sum(weight for _, weight in known)
    return sum(speed * weight for speed, weight in known) / seconds if seconds else None


def _new_run_dir(cfg: DictConfig) -> Path:
    """Make a folder for a run that was not started by Hydra, and keep its configuration there as Hydra would."""
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    run_dir = Path(create_run_dir(str(Path(cfg.output_root) / "runs" / cfg.name / stamp)))
    (run_dir / ".hydra").mkdir()
    OmegaConf.save(cfg, run_dir / ".hydra" / "config.yaml", resolve=False)
    return run_dir
