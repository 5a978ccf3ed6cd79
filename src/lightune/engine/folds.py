"""The fits of one run as one program: folds, resamples and repeats differ in their samples and seeds only.

Each fit keeps its folder, curves, checkpoints and early stopping, and its figures are those that it would have by
itself. What cannot train together trains one by one, and `train.log` says why.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from omegaconf import OmegaConf
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from rich.console import Console

from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan, build_fit
from lightune.data import InMemoryData
from lightune.engine.batches import alike
from lightune.engine.fused import EpochEnd, Member
from lightune.engine.loops import device_of, loop_of
from lightune.engine.member_run import MemberRun
from lightune.engine.plan import chunks, serves_as_ours, why_not_fusable
from lightune.engine.together import checkpoint_of, spans
from lightune.engine.trial import why_not
from lightune.engine.worth import most_members, why_not_worth
from lightune.errors import ConfigError
from lightune.fit import Fit
from lightune.reporting.fits import FitResult, read_fit
from lightune.reporting.result import Status
from lightune.run import Run, TrainingError
from lightune.tasks import SupervisedTask

__all__ = ["train_together"]

log = logging.getLogger(__name__)

Endings = dict[int, FitResult | Exception]

# Steps of all fits together: below, writing the program down and trying it (2.3 s of one thread) takes longer than
# it saves. Digits MLP, five folds, 2026-11-22, processor's time one by one over fused: 1000 steps 0.9, 4000 1.3.
LEAST_STEPS_ON_CPU = 2000


def train_together(run: Run) -> Endings:
    """Train as one program those fits of a run that can be; leave the others alone.

    Args:
        run: one with several fits, under way.

    Returns:
        A fit's number → its result, or the error that ended it. The fits behind one that failed are not here, nor
        are those that are to be trained one by one.
    """
    starts = _starts(run)
    open_plans = [plan for plan in run.parts.plans if plan.index in starts]
    if reason := _why_no_fit(run, open_plans):
        log.info("fits are trained one by one: %s", reason)
        return {}
    device = device_of(run.cfg)
    first = _member(run, open_plans[0])
    if reason := _why_not_worth(run, first, starts.values(), device):
        log.info("fits are trained one by one: %s", reason)
        return {}
    members = {open_plans[0].index: first, **{plan.index: _member(run, plan) for plan in open_plans[1:]}}
    same_steps = alike([member.data.rows_in_batches("train").batches for member in members.values()])
    endings: Endings = {}
    for same in ([open_plans[place] for place in places] for places in same_steps.values()):
        own = [members[plan.index] for plan in same]
        for places in chunks(list(range(len(same))), min(len(same), most_members(own, device))):
            chosen = [same[place] for place in places]
            if all(_is_in_vain(plan, endings) for plan in chosen):
                continue
            alone = "no other has as many batches an epoch" if len(same) < 2 else "no room for another beside it"
            reason = why_not([members[plan.index] for plan in chosen]) if len(chosen) > 1 else alone
            if reason:
                log.info("%s: trained one by one: %s", _named(chosen), reason)
                continue
            said = f"{_named(chosen)}: trained as one program on {device}"
            log.info(said)
            run.console.print(said, highlight=False, soft_wrap=True)
            together = _Together(run, chosen, [members[plan.index] for plan in chosen], starts, device)
            try:
                together.train()
            except Exception as error:  # noqa: BLE001 - what breaks the program is found out by each fit alone
                said = " ".join(f"{type(error).__name__}: {error}".split())
                log.warning("%s: go on one by one: the program ended with %s", _named(chosen), said)
            endings |= together.endings
    return endings


@dataclass(frozen=True)
class _Start:
    """Where a fit begins.

    Args:
        checkpoint: the end of an epoch, where it goes on; None from the seed on.
        epoch: how many it has trained, >= 0.
    """

    checkpoint: Path | None = None
    epoch: int = 0


def _starts(run: Run) -> dict[int, _Start]:
    """Return a fit's number → where it begins, of those that are left and may begin with others."""
    starts: dict[int, _Start] = {}
    for plan in run.parts.plans:
        folder = run.folder(plan)
        if run.resume and read_fit(folder):
            continue
        try:
            checkpoint = checkpoint_of(folder)
        except ConfigError as error:
            log.info("%s: trained one by one: %s", _named([plan]), error.problems[0].message)
            continue
        epoch = read_checkpoint(checkpoint)["epoch"] if checkpoint is not None else 0
        starts[plan.index] = _Start(checkpoint, epoch)
    return starts


def _why_no_fit(run: Run, plans: Sequence[FitPlan]) -> str | None:
    """Say why none of some fits of a run is trained with others; None if some may be."""
    if run.cfg.validation.get("fused", "auto") == "never":
        return "as validation.fused says"
    if run.tell is not None:
        return "a pruner judges the run after each of them"
    if run.watchers:
        return f"{type(run.watchers[0]).__name__} watches each of them"
    if run.group.size > 1:
        return "several processes share them"
    if len(plans) < 2:
        return "no two are left that may begin together"
    tree = OmegaConf.to_container(run.cfg, resolve=True)
    assert isinstance(tree, Mapping)
    if reason := why_not_fusable({str(key): value for key, value in tree.items()}):
        return reason
    data, task = run.parts.data, run.parts.task
    if not (isinstance(data, InMemoryData) and serves_as_ours(data)):
        return f"{type(data).__name__} makes batches of its own"
    if data.is_streamed:
        return "data are streamed"
    assert isinstance(task, SupervisedTask)
    return "the loss has a state of its own" if task.loss.state_dict() else None


def _why_not_worth(run: Run, first: Member, starts: Collection[_Start], device: str) -> str | None:
    """Say why fits like the first are trained faster one by one; None if they are not."""
    epochs = sum(max(0, int(run.cfg.trainer.max_epochs) - start.epoch) for start in starts)
    steps = epochs * first.data.rows_in_batches("train").batches
    if device == "cpu" and steps < LEAST_STEPS_ON_CPU:
        return f"{steps} steps are too few for a program to be worth it"
    return why_not_worth(first, device)


def _member(run: Run, plan: FitPlan) -> Member:
    assert isinstance(run.parts.data, InMemoryData)
    data = run.parts.data.undivided()
    task = build_fit(run.cfg, data, plan)
    assert isinstance(task, SupervisedTask)
    return Member(task, data, plan.seed, run.cfg.regularization.get("gradient_clip"))


def _is_in_vain(plan: FitPlan, endings: Endings) -> bool:
    """Tell whether a fit before this one has failed: one by one, this one would not be trained."""
    return any(isinstance(ending, Exception) and index < plan.index for index, ending in endings.items())


def _named(plans: Sequence[FitPlan]) -> str:
    return f"{'fits' if len(plans) > 1 else 'fit'} {spans([plan.index + 1 for plan in plans])}"


class _Together:
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
        starts: Mapping[int, _Start],
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
        self._loop = loop_of(
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
            self._loop.fit()
        except BaseException:
            for member, each in self._runs.items():
                if self._keepers[member].outcome is None:
                    each.abandon()
            raise

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
        return stops or _is_in_vain(self._keepers[end.member].plan, self.endings)

    def _end(self, member: Member) -> None:
        if _is_in_vain(self._keepers[member].plan, self.endings):
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
