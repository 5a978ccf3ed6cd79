"""The runs of one fused group: who is in it, how each ends, and what is left when it is cut off."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from hydra.types import TaskFunction
from omegaconf import DictConfig

from lightune.callbacks import Interruption
from lightune.engine.fused import EpochEnd, FusedLoop, Member
from lightune.engine.member_run import MemberRun
from lightune.engine.plan import Group
from lightune.errors import StopRequested
from lightune.reporting.result import Result
from lightune.reporting.tensorboard import HParam
from lightune.run import TrainingError

__all__ = ["Entrant", "Report", "Together", "device_of", "spans", "why_no_job"]

Report = Callable[[int, int, float], bool]


@dataclass
class Entrant:
    """A job that is trained in a group.

    Args:
        number: in its sweep.
        cfg: its configuration, without Hydra's own node.
        folder: where it writes; it exists.
        hparams: of its row on the HParams page; by default all that can be tuned.
        report: takes the job's number, an epoch from 0 and the monitored value; tells whether it shall stop.

    Attributes:
        ending: what came of it; None while that is not known.
    """

    number: int
    cfg: DictConfig
    folder: Path
    hparams: Mapping[str, HParam] | None = None
    report: Report | None = None
    ending: Result | TrainingError | None = field(default=None, init=False)


class Together:
    """The runs of one group while it is trained.

    Args:
        entrants: those of the group that are trained.
        group: as planned.
        places: of each entrant in the group.
        device: `cpu` or `cuda`.
    """

    def __init__(self, entrants: Sequence[Entrant], group: Group, places: Sequence[int], *, device: str) -> None:
        members = [group.members[place] for place in places]
        self._entrants: dict[Member, Entrant] = dict(zip(members, entrants, strict=True))
        self._runs: dict[Member, MemberRun] = {}
        for member, place in zip(members, places, strict=True):
            job = self._entrants[member]
            self._runs[member] = MemberRun(
                job.number,
                job.cfg,
                group.parts[place],
                member,
                run_dir=job.folder,
                report=job.report,
                hparams=job.hparams,
            )
        cfg = entrants[0].cfg
        double = str(cfg.trainer.get("precision", "auto")).startswith("64")
        self._loop = FusedLoop(
            members,
            max_epochs=cfg.trainer.max_epochs,
            monitor=cfg.monitor.metric,
            mode=cfg.monitor.mode,
            on_epoch_start=lambda member, epoch: self._runs[member].epoch_starts(epoch),
            on_epoch_end=self._epoch_ends,
            on_member_end=self._end,
            dtype=torch.float64 if double else torch.float32,
            device=device,
        )

    def train(self) -> None:
        """Train all of them; leave in each entrant how it ended.

        Raises:
            SystemExit: after a signal, with the exit code that a shell expects; those under way are interrupted.
        """
        interruption = Interruption()
        try:
            with interruption.watching():
                for run in self._runs.values():
                    run.start(self._loop)
                self._loop.fit()
        except (KeyboardInterrupt, StopRequested):
            for member, run in self._runs.items():
                if self._entrants[member].ending is None:
                    run.interrupt()
            sys.exit(interruption.exit_code)
        except Exception:
            for member, run in self._runs.items():
                if self._entrants[member].ending is None:
                    run.abandon()
            raise

    def _epoch_ends(self, end: EpochEnd) -> bool:
        return self._runs[end.member].epoch_ends(end)

    def _end(self, member: Member) -> None:
        try:
            self._entrants[member].ending = self._runs[member].end()
        except TrainingError as error:
            self._entrants[member].ending = error


def why_no_job(config: DictConfig, task: TaskFunction) -> str | None:
    """Say in one line why no job of a multirun can be fused; None if some may be.

    Args:
        config: of the multirun.
        task: what a job runs.
    """
    from lightune.cli import train

    if task is not train.task:
        return "the application is not lightune's, whose trainings are known"
    if config.hydra.job.chdir:
        return "hydra.job.chdir=true is for one job at a time"
    for key, node in (config.hydra.callbacks or {}).items():
        if node.get("_target_") != "lightune.cli.preflight.Preflight":
            return f"hydra.callbacks.{key} watches every job"
    return None


def device_of(cfg: DictConfig) -> str:
    """Return where a group is trained: `cuda` if the trainer may and there is one, else `cpu`."""
    wanted = cfg.trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
    return "cuda" if wanted and torch.cuda.is_available() else "cpu"


def spans(numbers: Sequence[int]) -> str:
    """Return job numbers in a readable form: 0-3, 7."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] + 1 == number:
            found[-1][-1] = number
        else:
            found.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)
