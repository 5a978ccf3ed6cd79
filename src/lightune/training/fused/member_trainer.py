"""The trainer of one member of a fused group: its folder, curves, callbacks, checkpoints and result.

It takes no step. Its group reports each epoch to it, and its callbacks and loggers do what they would do in an
ordinary run: what they write is what an ordinary run writes, and can be resumed as one.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger

from lightune.callbacks import BestAndLast
from lightune.callbacks.finite import FiniteLoss, NonFiniteLossError, refuse_weights, require_finite
from lightune.callbacks.randomness import RANDOM_STATE
from lightune.engine.fused.loop import EpochEnd, FusedLoop, Member
from lightune.errors import TrainingError
from lightune.reporting.board import Board
from lightune.reporting.fits import FitResult
from lightune.reporting.result import Result, Status
from lightune.training.fit import Fit
from lightune.training.fused.lightning_state import LightningState, Position
from lightune.training.fused.member_log import LogRouter

__all__ = ["MemberRandomness", "MemberRecord", "MemberTrainer"]

log = logging.getLogger(__name__)


class MemberRecord(Protocol):
    """What a member's fit is recorded in: the record of a run of its own, or that of one fit of several."""

    current: Fit | None
    finished: list[FitResult]

    @property
    def ending(self) -> Status:
        """How a member that ended by itself ended."""

    def open_session(self, loggers: list[Logger]) -> None:
        """Open a row on the HParams page, when training begins."""

    def report(self, status: Status, error: Exception | None = None) -> Any:
        """Record how the member ended."""


class MemberRandomness(Callback):
    """Save a member's own stream of random numbers in its checkpoints, in place of the process's.

    Attributes:
        state: returns the state of that stream; None to save the process's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state: Callable[[], torch.Tensor] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Replace what the process would save."""
        if self.state is not None:
            checkpoint[RANDOM_STATE][0]["torch"] = self.state()


class MemberTrainer:
    """Keep the folder of one member while its group is trained.

    Args:
        member: trained by the group.
        fit: of the member, not trained yet, with `randomness` among its callbacks.
        record: of that fit.
        randomness: saves the member's stream of random numbers.
        report: takes the epoch from 0 and the monitored value; returns whether the member is pruned. None if it
            never is.
        router: of the group's log records; None where all members log to that of one run.
        file: the member's own log.
    """

    def __init__(
        self,
        member: Member,
        fit: Fit,
        record: MemberRecord,
        randomness: MemberRandomness,
        *,
        report: Callable[[int, float], bool] | None = None,
        router: LogRouter | None = None,
        file: logging.Handler | None = None,
    ) -> None:
        self.member, self.fit = member, fit
        self.trainer: Trainer = fit.trainer
        self._record, self._randomness, self._report = record, randomness, report
        self._router = LogRouter() if router is None else router
        self._log = logging.NullHandler() if file is None else file
        self._pruned = False
        self._failure: NonFiniteLossError | None = None
        self._seconds_before = (0.0, 0.0)
        record.current = fit
        for checkpoint in self._checkpoints:
            checkpoint.snapshot = self._snapshot

    @property
    def _checkpoints(self) -> list[BestAndLast]:
        return [each for each in self.trainer.checkpoint_callbacks if isinstance(each, BestAndLast)]

    def start(self, loop: FusedLoop, content: dict[str, Any] | None = None) -> None:
        """Bring the trainer to the state that an ordinary fit has when its first epoch begins.

        Args:
            loop: the group's.
            content: of the checkpoint that the member is resumed from; None to train from scratch.
        """
        self._loop = loop
        trainer, member = self.trainer, self.member
        self.fit.validated_by(lambda: loop.validated(member))
        with self._acting():
            self._record.open_session(trainer.loggers)
            schedule, generator = loop.schedule_of(member), loop.generator_of(member)
            self._randomness.state = generator.get_state if generator.device.type == "cpu" else None
            steps = loop.data.steps_per_epoch
            state = LightningState(trainer, self.fit.task, steps_per_epoch=steps, by_step=schedule.by_step)
            state.dump_through(lambda: loop.fill_optimizer(member), schedule.optimizer.state.clear)
            state.connect(schedule.optimizer, schedule.scheduler)
            if content is not None:
                log.info("going on from epoch %d", content["epoch"])
            self._state = state
            state.begin(content, restored=self._note_seconds)
        self._starters = state.hooks("on_train_epoch_start", without=FiniteLoss)  # the group checks all weights
        self._judges = [
            *state.hooks("on_validation_end", without=FiniteLoss),
            *state.hooks("on_train_epoch_end", monitoring=False, without=FiniteLoss),
            *state.hooks("on_train_epoch_end", monitoring=True, without=FiniteLoss),
        ]

    def _note_seconds(self) -> None:
        self._seconds_before = self.fit.record.train_seconds, self.fit.record.validate_seconds

    def start_epoch(self, epoch: int) -> None:
        """Call what callbacks do before an epoch.

        Args:
            epoch: from 0.
        """
        self._move_to(epoch, began=True)
        with self._acting():
            for hook in self._starters:
                hook(self.trainer, self.fit.task)

    def end_epoch(self, end: EpochEnd) -> bool:
        """Call what callbacks and loggers do after an epoch; return whether the member stops."""
        trainer = self.trainer
        self._move_to(end.epoch, began=True, stepped=True)
        step = self.member.steps - 1
        with self._acting():
            trainer.callback_metrics.update({name: torch.tensor(value) for name, value in end.measures.items()})
            self._state.log_at(step)
            for stage in ("train/", "val/"):  # one after the other, as in an ordinary run
                own = {name: value for name, value in end.measures.items() if name.startswith(stage)}
                for logger in trainer.loggers:
                    logger.log_metrics({**own, "epoch": end.epoch}, step)
                    logger.save()
            self._state.log_at(step + 1)
            for hook in self._judges:
                hook(trainer, self.fit.task)
        self._count_time(end.epoch)
        if self._report is not None and not trainer.should_stop:
            self._pruned = self._report(end.epoch, end.measures[self.fit.record.best.metric])
        return trainer.should_stop or self._pruned

    def _count_time(self, epoch: int) -> None:
        """Give the fit's record the member's share of the group's time, and the samples of its epochs."""
        record, member = self.fit.record, self.member
        record.train_seconds = self._seconds_before[0] + member.train_seconds
        record.validate_seconds = self._seconds_before[1] + member.validate_seconds
        record.count_samples((epoch + 1) * member.data.sizes["train"], first=epoch == 0)

    def pause_between_saves(self, seconds: float) -> None:
        """Set the least seconds between two writings of checkpoints."""
        for checkpoint in self._checkpoints:
            checkpoint.pause = seconds

    def save_now(self) -> None:
        """Save what the member would be resumed from, between two epochs, unless it has not begun."""
        if not self.member.epochs:
            return
        with self._acting():
            self._move_to(self.member.epochs, began=True)
            for checkpoint in self._checkpoints:
                checkpoint.save_now(self.trainer)

    def save_end(self) -> None:
        """Save the end, or the best weights from before the training failed."""
        member = self.member
        with self._acting():
            try:
                if member.bad_loss is not None:
                    self._state.count_steps(member.steps)
                    require_finite(*member.bad_loss)
                if member.bad_weights:
                    self._state.count_steps(member.steps)
                    refuse_weights(member.steps)
                self._move_to(member.epochs, began=False)
                self._state.end()
                for logger in self.trainer.loggers:
                    logger.finalize("success")
            except NonFiniteLossError as error:
                self._failure = error
                for checkpoint in self._checkpoints:
                    checkpoint.write_kept(self.trainer)

    def end(self) -> Result:
        """Write the result; what `save_end` has saved is on the disk.

        Raises:
            TrainingError: if the training failed; its result is written.
        """
        with self._acting():
            if self._failure is not None:
                raise TrainingError(self._close("failed", self._failure)) from self._failure
            self._record.finished.append(self.fit.result())
            return self._close("pruned" if self._pruned else self._record.ending)

    def interrupt(self) -> None:
        """Write that the member was stopped from outside; it is resumed from its newest checkpoint."""
        with self._acting():
            self._close("interrupted")

    def abandon(self) -> None:
        """Close the member's files without an ending: it is trained by itself, from the checkpoint before."""
        for logger in self.trainer.loggers:
            if isinstance(logger, Board):
                logger.close()
        self._log.close()

    def _close(self, status: Status, error: Exception | None = None) -> Result:
        try:
            result: Result = self._record.report(status, error)
            return result
        finally:
            self._log.close()

    def _move_to(self, epochs: int, *, began: bool, stepped: bool = False) -> None:
        self._state.move_to(Position(epochs, self.member.steps, began, stepped))

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """Send what is logged meanwhile to the member's log."""
        with self._router.to(self._log):
            yield

    def _snapshot(self) -> Callable[[], dict[str, Any]]:
        """Copy what a checkpoint of this moment needs; return a function that makes the checkpoint later."""
        state, loop, then = self._state, self._loop, self._state.position
        held = loop.snapshot(self.member)
        callbacks = state.callback_states()

        def make() -> dict[str, Any]:
            now, random = state.position, self._randomness.state
            state.move_to(then)
            schedule = loop.schedule_of(self.member)
            loop.fill_optimizer(self.member, held)
            self._randomness.state = (lambda: held.random) if random is not None else None
            content = state.dump()
            weights = {f"model.{name}": value for name, value in held.weights.items()}
            content["state_dict"] |= {name: weights[name] for name in content["state_dict"] if name in weights}
            content["optimizer_states"][0]["param_groups"][0].update(held.numbers)
            content["lr_schedulers"] = [held.schedule]
            content["callbacks"] = callbacks
            schedule.optimizer.state.clear()
            state.move_to(now)
            self._randomness.state = random
            return content

        return make
