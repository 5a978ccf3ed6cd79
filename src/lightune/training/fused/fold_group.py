"""The fits of a run while they are trained as one program: where each begins, what it leaves, and how it ends."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytorch_lightning.loggers import Logger
from rich.console import Console

from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan
from lightune.engine.fused.loop import EpochEnd, Member
from lightune.errors import TrainingError
from lightune.reporting.fits import FitResult
from lightune.reporting.result import Status
from lightune.runtime.atomic_files import written_together
from lightune.training.context import RunContext
from lightune.training.fit import Fit
from lightune.training.fused.build_loop import build_loop
from lightune.training.fused.member_trainer import MemberRandomness, MemberTrainer
from lightune.training.run_record import RunRecord

__all__ = ["Endings", "FoldGroup", "Start", "is_superseded"]

Endings = dict[int, FitResult | Exception]


@dataclass(frozen=True)
class Start:
    """Where a fit begins.

    Args:
        checkpoint: of the end of an epoch, from which it is resumed; None to train from scratch.
        epoch: epochs trained before, >= 0.
    """

    checkpoint: Path | None = None
    epoch: int = 0


def is_superseded(plan: FitPlan, endings: Endings) -> bool:
    """Return True if a fit before this one has failed: trained one by one, this one would not be trained."""
    return any(isinstance(ending, Exception) and index < plan.index for index, ending in endings.items())


class FoldGroup:
    """The fits of one program while it is trained.

    Args:
        context: of the run.
        record: of the run.
        plans: of the fits.
        members: their trainings.
        starts: a fit's number → where it begins.
        device: `cpu` or `cuda`.
    """

    def __init__(
        self,
        context: RunContext,
        record: RunRecord,
        plans: Sequence[FitPlan],
        members: Sequence[Member],
        starts: Mapping[int, Start],
        device: str,
    ) -> None:
        self._interruption = context.interruption
        self._records: dict[Member, _FoldRecord] = {}
        self._trainers: dict[Member, MemberTrainer] = {}
        for plan, member in zip(plans, members, strict=True):
            checkpoint, randomness = starts[plan.index].checkpoint, MemberRandomness()
            fit = Fit(
                context.cfg,
                member.data,
                member.task,
                plan,
                folder=context.folder(plan),
                run_dir=context.run_dir,
                console=context.console if plan is plans[0] else Console(quiet=True),
                watchers=[randomness],
                checkpoint=checkpoint,
                resumed=context.resumed or checkpoint is not None,
                fits=len(context.parts.plans),
            )
            content = read_checkpoint(checkpoint) if checkpoint is not None else None
            member.checkpoint = content
            self._records[member] = own = _FoldRecord(record, plan, member, content)
            self._trainers[member] = MemberTrainer(member, fit, own, randomness)
        self._loop = build_loop(
            context.cfg,
            members,
            device=device,
            on_round_start=self._start_epoch,
            on_epoch_end=self._end_epoch,
            on_member_end=self._end,
        )

    def train(self) -> None:
        """Train them to their ends; if the program is stopped or breaks, the unfinished are left as they are."""
        try:
            for member, trainer in self._trainers.items():
                trainer.start(self._loop, self._records[member].content)
                self._records[member].content = None  # its weights are in the program now
                if trainer.trainer.should_stop or member.epochs >= self._loop.max_epochs:
                    self._loop.end(member, "stopped" if trainer.trainer.should_stop else "completed")
            while self._loop.active:
                with self._interruption.finishing():
                    self._loop.round()
                    if self._interruption.received is not None:
                        self._save()
                self._interruption.stop_if_asked()
        except BaseException:
            for member, trainer in self._trainers.items():
                if self._records[member].outcome is None:
                    trainer.abandon()
            raise

    def _save(self) -> None:
        with written_together():
            for member in self._loop.active:
                self._trainers[member].save_now()

    @property
    def endings(self) -> Endings:
        """How those ended that have: a fit's number → its result, or the error that ended it."""
        known = [(record.plan.index, record.outcome) for record in self._records.values()]
        return {index: outcome for index, outcome in known if outcome is not None}

    def _start_epoch(self, members: Sequence[Member]) -> None:
        for member in members:
            self._trainers[member].start_epoch(member.epochs)

    def _end_epoch(self, end: EpochEnd) -> bool:
        stops = self._trainers[end.member].end_epoch(end)
        return stops or is_superseded(self._records[end.member].plan, self.endings)

    def _end(self, member: Member) -> None:
        if is_superseded(self._records[member].plan, self.endings):
            self._trainers[member].abandon()
            return
        with suppress(TrainingError):  # its record has it
            self._trainers[member].save_end()
            self._trainers[member].end()


class _FoldRecord:
    """What one fit of a group is recorded in.

    Args:
        run: the record of the run.
        plan: of the fit.
        member: its training.
        content: of the checkpoint that it is resumed from.
    """

    def __init__(self, run: RunRecord, plan: FitPlan, member: Member, content: dict[str, Any] | None) -> None:
        self.plan, self._run, self._member = plan, run, member
        self.content = content
        self._current: Fit | None = None
        self.finished: list[FitResult] = []
        self.ending: Status = "completed"
        self.outcome: FitResult | Exception | None = None

    @property
    def current(self) -> Fit | None:
        """The fit, which is the run's current one too: the run's device is that of its trainer."""
        return self._current

    @current.setter
    def current(self, fit: Fit | None) -> None:
        self._current = self._run.current = fit

    def open_session(self, loggers: list[Logger]) -> None:
        """Do nothing: the run has the row on the HParams page."""

    def report(self, status: Status, error: Exception | None = None) -> Any:
        """Record how the fit ended, and close its boards."""
        assert self._current is not None
        try:
            self.outcome = self._run.conclude(self._current) if error is None else error
        finally:
            for board in self._current.boards:
                board.close()
        self._member.data.release()
        return SimpleNamespace(error=None, status=status, run_dir=self._current.folder)
