"""A member of a fused group as a run of its own: its folder, curves, callbacks, checkpoints and result.

The member's own trainer takes no step. It is told how far the group is, and its callbacks and loggers do what they
would do alone: what they write is what an ordinary run writes, and goes on as one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.states import RunningStage, TrainerFn, TrainerStatus
from pytorch_lightning.utilities.types import LRSchedulerConfig
from rich.console import Console

from lightune.callbacks import BestAndLast, Interruption
from lightune.callbacks.finite import NonFiniteLossError, require_finite
from lightune.config.build import Parts
from lightune.engine.fused import EpochEnd, FusedLoop, Member
from lightune.fit import Fit
from lightune.processes import Group
from lightune.reporting.fits import FitResult
from lightune.reporting.result import Result, Status
from lightune.reporting.tensorboard import HParam, TensorBoard
from lightune.reporting.train_log import Redacting
from lightune.run import Run, TrainingError

__all__ = ["Keeper", "MemberRun"]


class Keeper(Protocol):
    """What a member reports to, where it is no run of its own."""

    current: Fit | None
    finished: list[FitResult]

    @property
    def ending(self) -> Status:
        """How a member that ended by itself ended."""

    def open(self, watchers: list[Callback]) -> Fit:
        """Make the member's fit, with these callbacks beside its own."""

    def start_session(self, loggers: list[Logger]) -> None:
        """Hear that training begins."""

    def report(self, status: Status, error: Exception | None = None) -> Any:
        """Take what came of the member."""


class MemberRun:
    """Keep the folder of one member while its group is trained.

    Args:
        number: the job's number in its sweep.
        cfg: the member's configuration.
        parts: built of it.
        member: trained by the group.
        run_dir: the member's folder, which exists.
        report: takes the job's number, the epoch from 0 and the monitored value; tells whether the member shall
            stop as pruned.
        hparams: of its row on the HParams page; by default all that can be tuned.
        keeper: what it reports to, where it is a fit of a run and no run of its own.
    """

    def __init__(
        self,
        number: int,
        cfg: DictConfig,
        parts: Parts,
        member: Member,
        *,
        run_dir: Path,
        report: Callable[[int, int, float], bool] | None = None,
        hparams: Mapping[str, HParam] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.number, self.member, self.cfg = number, member, cfg
        self._report = report
        self._pruned = False
        self._randomness = _OwnRandomness()
        self._run: Run | Keeper
        self._log: logging.Handler
        if keeper is not None:
            self._run, self._log, self.fit = keeper, logging.NullHandler(), keeper.open([self._randomness])
        else:
            self._log = self._open_log(run_dir / "train.log")
            console = Console(quiet=True)
            self._run = Run(cfg, parts, run_dir, console, Interruption(), (), True, Group(), None, hparams)
            self.fit = Fit(
                cfg,
                parts.data,
                parts.task,
                parts.plans[0],
                folder=run_dir,
                run_dir=run_dir,
                console=console,
                watchers=[self._randomness],
                resumed=any(run_dir.glob("events.*")),
            )
        self._run.current = self.fit
        self.trainer: Trainer = self.fit.trainer
        self._task = self.fit.task
        self._samples = 0
        for callback in self.trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast):
                callback.keeps_best = True

    def start(self, loop: FusedLoop) -> None:
        """Take the place that the trainer of an ordinary run has when its first epoch begins."""
        self._loop = loop
        self._samples = self.member.data.sizes["train"]
        trainer, task = self.trainer, self._task
        with self._speaking():
            self._run.start_session(trainer.loggers)
            task.trainer = trainer
            trainer.strategy.connect(task)
            trainer.strategy.model = task
            schedule, self._randomness.generator = loop.fill_in(self.member)
            self._by_step = schedule.by_step
            dump = trainer._checkpoint_connector.dump_checkpoint

            def dump_member(*given: Any, **how: Any) -> dict[str, Any]:
                loop.fill_in(self.member)
                return dump(*given, **how)

            trainer._checkpoint_connector.dump_checkpoint = dump_member  # type: ignore[method-assign]
            trainer.strategy.optimizers = [schedule.optimizer]
            interval = "step" if schedule.by_step else "epoch"
            trainer.strategy.lr_scheduler_configs = [
                LRSchedulerConfig(schedule.scheduler, name="train/lr", interval=interval)
            ]
            trainer.state.fn, trainer.state.status = TrainerFn.FITTING, TrainerStatus.RUNNING
            trainer.state.stage = RunningStage.TRAINING
            call._call_callback_hooks(trainer, "setup", stage="fit")
            call._call_callback_hooks(trainer, "on_fit_start")
            call._call_callback_hooks(trainer, "on_train_start")

    def epoch_starts(self, epoch: int) -> None:
        """Let callbacks do what they do before an epoch."""
        self._stand_at(epoch, began=True)
        with self._speaking():
            call._call_callback_hooks(self.trainer, "on_train_epoch_start")

    def epoch_ends(self, end: EpochEnd) -> bool:
        """Let callbacks and loggers do what they do after an epoch; tell whether the member shall end."""
        trainer, record = self.trainer, self.fit.record
        self._stand_at(end.epoch, began=True, stepped=True)
        measures = {name: torch.tensor(value) for name, value in end.measures.items()}
        with self._speaking():
            trainer.callback_metrics.update(measures)
            trainer.fit_loop.epoch_loop._batches_that_stepped -= 1
            for stage in ("train/", "val/"):  # one after the other, as alone
                own = {name: value for name, value in measures.items() if name.startswith(stage)}
                trainer._logger_connector.log_metrics(own)
            call._call_callback_hooks(trainer, "on_validation_end")
            for watching in (False, True):
                call._call_callback_hooks(trainer, "on_train_epoch_end", monitoring_callbacks=watching)
            trainer.fit_loop.epoch_loop._batches_that_stepped += 1
        record.train_seconds, record.validate_seconds = self.member.train_seconds, self.member.validate_seconds
        record._counted = (end.epoch + 1) * self._samples
        if end.epoch == 0:
            record._first = (self._samples, record.train_seconds)
        if self._report is not None and not trainer.should_stop:
            self._pruned = self._report(self.number, end.epoch, end.measures[self.cfg.monitor.metric])
        return trainer.should_stop or self._pruned

    def end(self) -> Result:
        """Save the end and write the result.

        Raises:
            TrainingError: if the training failed; its result is written.
        """
        with self._speaking():
            try:
                if self.member.bad_loss is not None:
                    self._count_steps(self.member.steps)
                    require_finite(*self.member.bad_loss)
                self._stand_at(self.member.epochs, began=False)
                call._call_callback_hooks(self.trainer, "on_train_end")
                for logger in self.trainer.loggers:
                    logger.finalize("success")
            except NonFiniteLossError as error:
                for callback in self.trainer.checkpoint_callbacks:
                    if isinstance(callback, BestAndLast):
                        callback.write_kept(self.trainer)
                raise TrainingError(self._close("failed", error)) from error
            fit = self.fit.result()
            self._run.finished.append(fit)
            return self._close("pruned" if self._pruned else self._run.ending)

    def interrupt(self) -> None:
        """Write that it was stopped from outside; it goes on from the checkpoint before."""
        with self._speaking():
            self._close("interrupted")

    def abandon(self) -> None:
        """Let go of its files without an ending: it goes on alone, from the checkpoint before."""
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoard):
                logger.close()
        self._log.close()

    def _close(self, status: Status, error: Exception | None = None) -> Result:
        try:
            return self._run.report(status, error)
        finally:
            self._log.close()

    def _stand_at(self, epoch: int, *, began: bool, stepped: bool = False) -> None:
        """Let the trainer count as at the beginning of an epoch, behind its last step, or at the very end."""
        trainer, member = self.trainer, self.member
        counts = trainer.fit_loop.epoch_progress
        stage = {"ready": epoch + began, "started": epoch + (began and stepped), "processed": epoch + stepped}
        for progress in (counts.total, counts.current):
            for name, number in {**stage, "completed": epoch}.items():
                setattr(progress, name, number)
        self._count_steps(member.steps)
        done = epoch + stepped
        moved = trainer.fit_loop.epoch_loop.scheduler_progress
        moved.total.ready = moved.total.completed = member.steps if self._by_step else done
        moved.current.ready = moved.current.completed = self._per_epoch if self._by_step else min(1, done)

    @property
    def _per_epoch(self) -> int:
        return self._loop.data.steps_per_epoch

    def _count_steps(self, steps: int) -> None:
        loop = self.trainer.fit_loop.epoch_loop
        loop._batches_that_stepped = steps
        optimizer = loop.automatic_optimization.optim_progress.optimizer
        of_epoch = self._per_epoch if steps else 0
        loop.batch_progress.is_last_batch = steps > 0
        for progress in (loop.batch_progress, optimizer.step, optimizer.zero_grad):
            for counts, number in ((progress.total, steps), (progress.current, of_epoch)):
                for name in vars(counts):
                    setattr(counts, name, number)

    def _open_log(self, file: Path) -> logging.Handler:
        handler = logging.FileHandler(file, encoding="utf-8")
        handler.setFormatter(Redacting(self.cfg))
        handler.handleError = lambda record: None  # type: ignore[method-assign]  # the disk may be full
        return handler

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Let what is said meanwhile be this member's."""
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self._log)
        try:
            yield
        finally:
            root.removeHandler(self._log)
            root.setLevel(level)


class _OwnRandomness(Callback):
    """Let a member's checkpoints go on with its own stream of random numbers, not with the process's."""

    def __init__(self) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Replace what the process would save."""
        if self.generator is not None and self.generator.device.type == "cpu":
            checkpoint["random_state"][0]["torch"] = self.generator.get_state()
