"""A member of a fused group as a run of its own: its folder, curves, callbacks, checkpoints and result.

The member's own trainer takes no step. It is told how far the group is, and its callbacks and loggers do what they
would do alone: what they write is what an ordinary run writes, and goes on as one.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.states import RunningStage, TrainerFn, TrainerStatus
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.types import LRSchedulerConfig

from lightune.callbacks import BestAndLast, Interruption
from lightune.callbacks.finite import FiniteLoss, NonFiniteLossError, refuse_weights, require_finite
from lightune.config.build import Parts
from lightune.engine.fused.loop import EpochEnd, FusedLoop, Member
from lightune.errors import TrainingError
from lightune.reporting.fits import FitResult
from lightune.reporting.result import Result, Status
from lightune.reporting.tensorboard import HParam, TensorBoard
from lightune.reporting.train_log import Redacting
from lightune.reporting.transcript import FILE_NAME as TRANSCRIPT
from lightune.reporting.transcript import Transcript
from lightune.run import Run
from lightune.training.fit import Fit
from lightune.training.process_group import Group

__all__ = ["Keeper", "MemberRun", "Voice"]

log = logging.getLogger(__name__)


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
        voice: the group's log, in which each member speaks in its turn; None where all of them speak in that of
            one run.
        checkpoint: where it goes on; None from the seed on.
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
        voice: "Voice | None" = None,
        checkpoint: Path | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.number, self.member, self.cfg = number, member, cfg
        self._report = report
        self._pruned = False
        self._failure: NonFiniteLossError | None = None
        self._randomness = _OwnRandomness()
        self._voice = Voice() if voice is None else voice
        self._run: Run | Keeper
        self._log: logging.Handler
        if keeper is not None:
            self._run, self._log, self.fit = keeper, logging.NullHandler(), keeper.open([self._randomness])
        else:
            self._log = self._open_log(run_dir / "train.log")
            console = Transcript(run_dir / TRANSCRIPT)
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
                checkpoint=checkpoint,
                resumed=any(run_dir.glob("events.*")),
            )
        self._run.current = self.fit
        self.trainer: Trainer = self.fit.trainer
        self._task = self.fit.task
        self._samples = 0
        self._seconds_before = (0.0, 0.0)
        for callback in self.trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast):
                callback.hold = self._hold

    def start(self, loop: FusedLoop, content: dict[str, Any] | None = None) -> None:
        """Take the place that the trainer of an ordinary run has when its first epoch begins.

        Args:
            loop: the group's.
            content: of the checkpoint that the member goes on from.
        """
        self._loop = loop
        self._samples = self.member.data.sizes["train"]
        trainer, task = self.trainer, self._task
        with self._speaking():
            self._run.start_session(trainer.loggers)
            task.trainer = trainer
            trainer.strategy.connect(task)
            trainer.strategy.model = task
            schedule, generator = loop.schedule_of(self.member), loop.generator_of(self.member)
            self._randomness.random = generator.get_state if generator.device.type == "cpu" else None
            self._by_step = schedule.by_step
            dump = self._dump = trainer._checkpoint_connector.dump_checkpoint

            def dump_member(*given: Any, **how: Any) -> dict[str, Any]:
                loop.fill_optimizer(self.member)
                content = dump(*given, **how)
                schedule.optimizer.state.clear()
                return content

            trainer._checkpoint_connector.dump_checkpoint = dump_member  # type: ignore[method-assign]
            trainer.strategy.optimizers = [schedule.optimizer]
            interval = "step" if schedule.by_step else "epoch"
            trainer.strategy.lr_scheduler_configs = [
                LRSchedulerConfig(schedule.scheduler, name="train/lr", interval=interval)
            ]
            trainer.state.fn, trainer.state.status = TrainerFn.FITTING, TrainerStatus.RUNNING
            trainer.state.stage = RunningStage.TRAINING
            call._call_callback_hooks(trainer, "setup", stage="fit")
            if content is not None:
                log.info("going on from epoch %d", content["epoch"])
                call._call_callbacks_on_load_checkpoint(trainer, content)
                call._call_callbacks_load_state_dict(trainer, content)
                self._seconds_before = self.fit.record.train_seconds, self.fit.record.validate_seconds
            call._call_callback_hooks(trainer, "on_fit_start")
            call._call_callback_hooks(trainer, "on_train_start")
        self._starters = self._callbacks("on_train_epoch_start")
        self._judges = [
            *self._callbacks("on_validation_end"),
            *self._callbacks("on_train_epoch_end", monitoring=False),
            *self._callbacks("on_train_epoch_end", monitoring=True),
        ]

    def _callbacks(self, hook: str, *, monitoring: bool | None = None) -> list[Callable[[Trainer, Any], None]]:
        """Return what of the callbacks is called at a hook, in Lightning's order."""
        chosen: list[Callable[[Trainer, Any], None]] = []
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            passed_over = isinstance(callback, FiniteLoss)  # the group looks at all weights at once
            monitors = isinstance(callback, Checkpoint | EarlyStopping)
            if passed_over or (monitoring is not None and monitors != monitoring):
                continue
            if is_overridden(hook, callback, Callback):
                chosen.append(getattr(callback, hook))
        return chosen

    def epoch_starts(self, epoch: int) -> None:
        """Let callbacks do what they do before an epoch."""
        self._stand_at(epoch, began=True)
        with self._speaking():
            for call_it in self._starters:
                call_it(self.trainer, self._task)

    def epoch_ends(self, end: EpochEnd) -> bool:
        """Let callbacks and loggers do what they do after an epoch; tell whether the member shall end."""
        trainer, record = self.trainer, self.fit.record
        self._stand_at(end.epoch, began=True, stepped=True)
        measures = {name: torch.tensor(value) for name, value in end.measures.items()}
        step, loggers = self.member.steps - 1, trainer.loggers
        with self._speaking():
            trainer.callback_metrics.update(measures)
            trainer.fit_loop.epoch_loop._batches_that_stepped = step
            for stage in ("train/", "val/"):  # one after the other, as alone
                own = {name: value for name, value in end.measures.items() if name.startswith(stage)}
                for logger in loggers:
                    logger.log_metrics({**own, "epoch": end.epoch}, step)
                    logger.save()
            for call_it in self._judges:
                call_it(trainer, self._task)
            trainer.fit_loop.epoch_loop._batches_that_stepped = step + 1
        before, member = self._seconds_before, self.member
        record.train_seconds = before[0] + member.train_seconds
        record.validate_seconds = before[1] + member.validate_seconds
        record._counted = (end.epoch + 1) * self._samples
        if record._first is None or end.epoch == 0:
            record._first = (record._counted, record.train_seconds)
        if self._report is not None and not trainer.should_stop:
            self._pruned = self._report(self.number, end.epoch, end.measures[self.cfg.monitor.metric])
        return trainer.should_stop or self._pruned

    def pause_between_saves(self, seconds: float) -> None:
        """Let at least so many seconds pass between two writings of checkpoints."""
        for callback in self.trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast):
                callback.pause = seconds

    def save_now(self) -> None:
        """Save what it goes on from, between two epochs, unless it has not begun."""
        if not self.member.epochs:
            return
        with self._speaking():
            self._stand_at(self.member.epochs, began=True)
            for callback in self.trainer.checkpoint_callbacks:
                if isinstance(callback, BestAndLast):
                    callback.save_now(self.trainer)

    def save_end(self) -> None:
        """Save the end, or what was best before the training failed."""
        with self._speaking():
            try:
                if self.member.bad_loss is not None:
                    self._count_steps(self.member.steps)
                    require_finite(*self.member.bad_loss)
                if self.member.bad_weights:
                    self._count_steps(self.member.steps)
                    refuse_weights(self.member.steps)
                self._stand_at(self.member.epochs, began=False)
                call._call_callback_hooks(self.trainer, "on_train_end")
                for logger in self.trainer.loggers:
                    logger.finalize("success")
            except NonFiniteLossError as error:
                self._failure = error
                for callback in self.trainer.checkpoint_callbacks:
                    if isinstance(callback, BestAndLast):
                        callback.write_kept(self.trainer)

    def end(self) -> Result:
        """Write the result; what `save_end` has saved is on the disk.

        Raises:
            TrainingError: if the training failed; its result is written.
        """
        with self._speaking():
            if self._failure is not None:
                raise TrainingError(self._close("failed", self._failure)) from self._failure
            fit = self.fit.result()
            self._run.finished.append(fit)
            return self._close("pruned" if self._pruned else self._run.ending)

    def interrupt(self) -> None:
        """Write that it was stopped from outside; it goes on from its newest checkpoint."""
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
        self._place((epoch, began, stepped, self.member.steps))

    def _place(self, where: tuple[int, bool, bool, int]) -> None:
        self._stood, trainer = where, self.trainer
        epoch, began, stepped, steps = where
        counts = trainer.fit_loop.epoch_progress
        stage = {"ready": epoch + began, "started": epoch + (began and stepped), "processed": epoch + stepped}
        for progress in (counts.total, counts.current):
            for name, number in {**stage, "completed": epoch}.items():
                setattr(progress, name, number)
        self._count_steps(steps)
        done = epoch + stepped
        moved = trainer.fit_loop.epoch_loop.scheduler_progress
        moved.total.ready = moved.total.completed = steps if self._by_step else done
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
        self._voice.of = self._log
        try:
            yield
        finally:
            self._voice.of = None

    def _hold(self) -> Callable[[], dict[str, Any]]:
        """Take what a checkpoint of this moment needs; return what makes it."""
        trainer, loop, stood = self.trainer, self._loop, self._stood
        held = loop.snapshot(self.member)
        states = copy.deepcopy(call._call_callbacks_state_dict(trainer))

        def make() -> dict[str, Any]:
            stands, random = self._stood, self._randomness.random
            self._place(stood)
            schedule = loop.schedule_of(self.member)
            loop.fill_optimizer(self.member, held)
            self._randomness.random = (lambda: held.random) if random is not None else None
            content = self._dump()
            weights = {f"model.{name}": value for name, value in held.weights.items()}
            content["state_dict"] |= {name: weights[name] for name in content["state_dict"] if name in weights}
            content["optimizer_states"][0]["param_groups"][0].update(held.numbers)
            content["lr_schedulers"] = [held.schedule]
            content["callbacks"] = states
            schedule.optimizer.state.clear()
            self._place(stands)
            self._randomness.random = random
            return content

        return make


class Voice(logging.Handler):
    """Hand what is said to the log of the member whose turn it is.

    Attributes:
        of: that log; None if nobody's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on."""
        if self.of is not None:
            self.of.handle(record)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to all that is said meanwhile."""
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)
            root.setLevel(level)


class _OwnRandomness(Callback):
    """Let a member's checkpoints go on with its own stream of random numbers, not with the process's."""

    def __init__(self) -> None:
        super().__init__()
        self.random: Callable[[], torch.Tensor] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Replace what the process would save."""
        if self.random is not None:
            checkpoint["random_state"][0]["torch"] = self.random()
