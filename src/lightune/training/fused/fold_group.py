"""The fits of a run while they are trained as one program: where each begins, what it leaves, and how it ends."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from rich.console import Console

from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan
from lightune.engine.fused.loop import EpochEnd, Member
from lightune.errors import TrainingError
from lightune.reporting.fits import FitResult
from lightune.reporting.result import Status
from lightune.run import Run
from lightune.runtime.atomic_files import written_together
from lightune.training.fit import Fit
from lightune.training.fused.build_loop import build_loop
from lightune.training.fused.member_trainer import MemberRun

__all__ = ["Endings", "FitsTogether", "Start", "is_in_vain"]

Endings = dict[int, FitResult | Exception]


@dataclass(frozen=True)
class Start:
    """Where a fit begins.

    Args:
        checkpoint: the end of an epoch, where it goes on; None from the seed on.
        epoch: how many it has trained, >= 0.
    """

    checkpoint: Path | None = None
    epoch: int = 0


def is_in_vain(plan: FitPlan, endings: Endings) -> bool:
    """Tell whether a fit before this one has failed: one by one, this one would not be trained."""
    return any(isinstance(ending, Exception) and index < plan.index for index, ending in endings.items())


class FitsTogether:
    """The fits of one program while it is trained.

    Args:
        run: whose fits they are.
        plans: of the fits.
        members: their trainings.
        starts: a fit's number → where it begins.
        device: `cpu` or `cuda`.
    """

    def __init__(
        self,
        run: Run,
        plans: Sequence[FitPlan],
        members: Sequence[Member],
        starts: Mapping[int, Start],
        device: str,
    ) -> None:
        self._run = run
        self._keepers = {
            member: _Keeper(run, plan, member, starts[plan.index].checkpoint, shows=plan is plans[0])
            for plan, member in zip(plans, members, strict=True)
        }
        for member, keeper in self._keepers.items():
            member.checkpoint = keeper.content
        self._runs = {
            member: MemberRun(
                keeper.plan.index, run.cfg, run.parts, member, run_dir=run.folder(keeper.plan), keeper=keeper
            )
            for member, keeper in self._keepers.items()
        }
        self._loop = build_loop(
            run.cfg,
            members,
            device=device,
            on_round_start=self._epochs_start,
            on_epoch_end=self._epoch_ends,
            on_member_end=self._end,
        )

    def train(self) -> None:
        """Train them to their ends; what stops or breaks the program leaves those under way as they are."""
        try:
            for member, each in self._runs.items():
                each.start(self._loop, self._keepers[member].content)
                self._keepers[member].content = None  # whose weights are in the program now
                if each.trainer.should_stop or member.epochs >= self._loop.max_epochs:
                    self._loop.end(member, "stopped" if each.trainer.should_stop else "completed")
            while self._loop.active:
                with self._run.interruption.finishing():
                    self._loop.round()
                    if self._run.interruption.received is not None:
                        self._save()
                self._run.interruption.stop_if_asked()
        except BaseException:
            for member, each in self._runs.items():
                if self._keepers[member].outcome is None:
                    each.abandon()
            raise

    def _save(self) -> None:
        with written_together():
            for member in self._loop.active:
                self._runs[member].save_now()

    @property
    def endings(self) -> Endings:
        """What is known of them: a fit's number → its result, or the error that ended it."""
        known = [(keeper.plan.index, keeper.outcome) for keeper in self._keepers.values()]
        return {index: outcome for index, outcome in known if outcome is not None}

    def _epochs_start(self, members: Sequence[Member]) -> None:
        for member in members:
            self._runs[member].epoch_starts(member.epochs)

    def _epoch_ends(self, end: EpochEnd) -> bool:
        stops = self._runs[end.member].epoch_ends(end)
        return stops or is_in_vain(self._keepers[end.member].plan, self.endings)

    def _end(self, member: Member) -> None:
        if is_in_vain(self._keepers[member].plan, self.endings):
            self._runs[member].abandon()
            return
        with suppress(TrainingError):  # its keeper has heard of it
            self._runs[member].save_end()
            self._runs[member].end()


class _Keeper:
    """What a fit that is trained with others reports to."""

    def __init__(self, run: Run, plan: FitPlan, member: Member, checkpoint: Path | None, *, shows: bool) -> None:
        self.plan, self._run, self._member = plan, run, member
        self._checkpoint = checkpoint
        self.content = read_checkpoint(checkpoint) if checkpoint is not None else None
        self._console = run.console if shows else Console(quiet=True)
        self.current: Fit | None = None
        self.finished: list[FitResult] = []
        self.ending: Status = "completed"
        self.outcome: FitResult | Exception | None = None

    def open(self, watchers: list[Callback]) -> Fit:
        """Make the fit, with these callbacks beside its own."""
        run, member = self._run, self._member
        run.current = Fit(
            run.cfg,
            member.data,
            member.task,
            self.plan,
            folder=run.folder(self.plan),
            run_dir=run.run_dir,
            console=self._console,
            watchers=watchers,
            checkpoint=self._checkpoint,
            resumed=run.resume or self._checkpoint is not None,
            fits=len(run.parts.plans),
        )
        return run.current

    def start_session(self, loggers: list[Logger]) -> None:
        """Do nothing: the run has the row on the HParams page."""

    def report(self, status: Status, error: Exception | None = None) -> Any:
        """Take what came of the fit."""
        assert self.current is not None
        try:
            self.outcome = self._run.conclude(self.current) if error is None else error
        finally:
            for board in self.current.boards:
                board.close()
        self._member.data.release()
        return SimpleNamespace(error=None, status=status, run_dir=self._run.folder(self.plan))
