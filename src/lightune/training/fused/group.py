"""The runs of one fused group: who is in it, how each ends, and what is left when the group is interrupted."""

import functools
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lightune.callbacks import Interruption
from lightune.checkpoints import read_checkpoint
from lightune.config.build import Parts
from lightune.engine.fused.loop import EpochEnd, Member
from lightune.errors import ConfigError, Problem, StopRequested, TrainingError
from lightune.reporting.data_file import record_data
from lightune.reporting.hparams import HParam
from lightune.reporting.result import CONSOLE_FILE, Result
from lightune.reporting.transcript import Transcript
from lightune.runtime.atomic_files import written_together
from lightune.runtime.hardware import use_matmul_precision
from lightune.training.context import RunContext
from lightune.training.fit import Fit, no_driver_loaded
from lightune.training.fused.build_loop import build_loop
from lightune.training.fused.member_log import LogRouter, open_member_log
from lightune.training.fused.member_trainer import MemberRandomness, MemberTrainer
from lightune.training.fused.planner import Group
from lightune.training.resumable_checkpoints import is_within_epoch, newest_checkpoint
from lightune.training.run_record import RunRecord

log = logging.getLogger(__name__)

__all__ = ["GroupedJob", "Report", "TrialGroup", "checkpoint_of", "spans"]

_SHARE_OF_SAVING = 0.05  # of a group's time, at most about
_SECONDS_A_MEMBER = 0.02  # that saving takes about, until it is known
_LEAST_SAVING = 0.1  # seconds: less is no saving, or costs nothing
Report = Callable[[int, int, float], bool]


@dataclass
class GroupedJob:
    """A job that is trained in a group.

    Args:
        number: in its sweep.
        cfg: its configuration, without Hydra's own node.
        folder: where it writes; it exists.
        hparams: of its row on the HParams page; by default all that can be tuned.
        report: takes the job's number, an epoch from 0 and the monitored value; tells whether it shall stop.
        checkpoint: where it goes on, the end of an epoch; None from the seed on.

    Attributes:
        ending: what came of it; None while that is not known.
    """

    number: int
    cfg: DictConfig
    folder: Path
    hparams: Mapping[str, HParam] | None = None
    report: Report | None = None
    checkpoint: Path | None = None
    ending: Result | TrainingError | None = field(default=None, init=False)


class TrialGroup:
    """The runs of one group while it is trained.

    Args:
        grouped_jobs: those of the group that are trained.
        group: as planned.
        places: of each grouped_job in the group.
        device: `cpu` or `cuda`.
    """

    def __init__(
        self, grouped_jobs: Sequence[GroupedJob], group: Group, places: Sequence[int], *, device: str
    ) -> None:
        self._grouped_jobs: dict[Member, GroupedJob] = {}
        self._runs: dict[Member, MemberTrainer] = {}
        self._records: dict[Member, RunRecord] = {}
        self._router = LogRouter()
        self._interruption = Interruption()
        self._ended: list[Member] = []
        self._waiting: list[tuple[Member, dict[str, Any] | None]] = []
        for grouped_job, place in zip(grouped_jobs, places, strict=True):
            self._prepare(grouped_job, group.members[place], group.parts[place])
        cfg = grouped_jobs[0].cfg
        deterministic = bool(cfg.trainer.get("deterministic"))
        self._use_precision = functools.partial(use_matmul_precision, device, deterministic=deterministic)
        self._loop = build_loop(
            cfg,
            list(self._runs),
            device=device,
            on_round_start=self._epochs_start,
            on_epoch_end=self._epoch_ends,
            on_member_end=lambda member: self._ended.append(member),
            recorded=group.known.recorded,
        )

    @property
    def is_over(self) -> bool:
        """Whether all of them have ended."""
        return not self._loop.active

    @property
    def vacant(self) -> int:
        """How many others can be taken in."""
        return self._loop.vacant

    def train(self) -> None:
        """Train all of them; leave in each grouped_job how it ended.

        Raises:
            SystemExit: after a signal, with the exit code that a shell expects; those under way are interrupted.
        """
        while True:
            self.round()
            if self.is_over:
                return

    def round(self) -> None:
        """Train each of them for one epoch; leave in those that end how they ended.

        Raises:
            SystemExit: as `train`.
        """
        try:
            self._use_precision()  # which whoever trains one round after the other may have put back
            with self._interruption.watching(), self._router.listening(), no_driver_loaded():
                self._start()
                with self._interruption.finishing():
                    if not self.is_over:
                        self._loop.round()
                    self._conclude()
                    if self._interruption.received is not None:
                        self._save()
                self._interruption.stop_if_asked()
        except (KeyboardInterrupt, StopRequested):
            for run in self._runs.values():
                run.interrupt()
            sys.exit(self._interruption.exit_code)
        except Exception:
            for run in self._runs.values():
                run.abandon()
            raise

    def stop(self) -> None:
        """Save those under way, and write that they were interrupted: the signal came between two rounds."""
        with self._interruption.watching(), self._router.listening(), no_driver_loaded():
            try:
                with self._interruption.finishing():
                    self._save()
            except (KeyboardInterrupt, StopRequested):
                log.debug("a second signal: they go on from the checkpoints before")
            for run in self._runs.values():
                run.interrupt()

    def _save(self) -> None:
        """Save those that have begun, as they are between two rounds."""
        new = {member for member, _ in self._waiting}
        try:
            with written_together():
                for member in self._loop.active:
                    if member not in new:
                        self._runs[member].save_now()
        except Exception as error:  # noqa: BLE001 - a full disk, above all; what is stopped shall stop
            log.warning("stopped without saving; they go on from the checkpoints before: %s", error)

    def accepts(self, member: Member) -> bool:
        """Tell whether a member of the same structure can take a place."""
        return self._loop.accepts(member)

    def add_members(self, grouped_job: GroupedJob, member: Member, parts: Parts) -> None:
        """Take in another, if there is a place; it trains with the next round.

        Raises:
            ConfigError: if it cannot be built.
        """
        self._prepare(grouped_job, member, parts)
        self._loop.add_members([member])

    def _prepare(self, grouped_job: GroupedJob, member: Member, parts: Parts) -> None:
        content = read_checkpoint(grouped_job.checkpoint) if grouped_job.checkpoint is not None else None
        member.checkpoint = content
        self._runs[member] = self._trainer_of(grouped_job, member, parts)
        self._grouped_jobs[member] = grouped_job
        self._waiting.append((member, content))

    def _trainer_of(self, grouped_job: GroupedJob, member: Member, parts: Parts) -> MemberTrainer:
        console = Transcript(grouped_job.folder / CONSOLE_FILE)
        context = RunContext(grouped_job.cfg, parts, grouped_job.folder, console, resumed=True)
        record_data(grouped_job.folder, parts.data)
        record = self._records[member] = RunRecord(context, grouped_job.hparams)
        randomness = MemberRandomness()
        fit = Fit(
            grouped_job.cfg,
            parts.data,
            parts.task,
            parts.plans[0],
            folder=grouped_job.folder,
            run_dir=grouped_job.folder,
            console=console,
            trainer=parts.trainer,
            watchers=[randomness],
            checkpoint=grouped_job.checkpoint,
            resumed=any(grouped_job.folder.glob("events.*")),
        )
        return MemberTrainer(
            member,
            fit,
            record,
            randomness,
            report=None
            if grouped_job.report is None
            else functools.partial(grouped_job.report, grouped_job.number),
            router=self._router,
            file=open_member_log(grouped_job.folder, grouped_job.cfg),
        )

    def _start(self) -> None:
        """Let those begin that have not; what a checkpoint says is over ends at once."""
        while self._waiting:
            member, content = self._waiting.pop(0)
            run = self._runs[member]
            run.start(self._loop, content)
            run.pause_between_saves(len(self._runs) * _SECONDS_A_MEMBER / _SHARE_OF_SAVING)
            if run.trainer.should_stop or member.epochs >= self._loop.max_epochs:
                self._loop.end(member, "stopped" if run.trainer.should_stop else "completed")

    def _epoch_ends(self, end: EpochEnd) -> bool:
        self._records[end.member].trained_with(self._loop.together(end.member))
        return self._runs[end.member].end_epoch(end)

    def _epochs_start(self, members: Sequence[Member]) -> None:
        """Let all of them save what is due; see to it that saving takes a small share of the time."""
        began = time.monotonic()
        with written_together():
            for member in members:
                self._runs[member].start_epoch(member.epochs)
        if (took := time.monotonic() - began) > _LEAST_SAVING:
            for member in members:
                self._runs[member].pause_between_saves(took / _SHARE_OF_SAVING)

    def _conclude(self) -> None:
        """Let those end that have nothing left to train: their checkpoints, then the results that tell of them."""
        ended, self._ended = self._ended, []
        with written_together():
            for member in ended:
                self._runs[member].save_end()
        with written_together():
            for member in ended:
                run, grouped_job = self._runs.pop(member), self._grouped_jobs.pop(member)
                del self._records[member]
                try:
                    grouped_job.ending = run.end()
                except TrainingError as error:
                    grouped_job.ending = error


def checkpoint_of(folder: Path) -> Path | None:
    """Return the checkpoint that a run in a folder goes on from; None if it was cut off before it wrote one.

    Raises:
        ConfigError: if none is sound, or it is of the middle of an epoch, where only the run by itself goes on.
    """
    path = newest_checkpoint(folder)
    if path is not None and is_within_epoch(read_checkpoint(path)):
        raise ConfigError([Problem("resume", f"{path} is of the middle of an epoch")])
    return path


def spans(numbers: Sequence[int]) -> str:
    """Return job numbers in a readable form: 0-3, 7."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] + 1 == number:
            found[-1][-1] = number
        else:
            found.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)
