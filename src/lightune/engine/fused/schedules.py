"""The learning-rate schedules of several members: torch's own, each on an optimizer that moves nothing."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightune.tasks import SupervisedTask


class Schedule:
    """Follow one member's schedule with its real scheduler, on its real optimizer, which moves nothing.

    Args:
        task: the member's task, which says how its optimizer and its scheduler are made.
        total_steps: optimizer steps in the whole run, > 0.
    """

    def __init__(self, task: SupervisedTask, *, total_steps: int) -> None:
        self.optimizer: Optimizer = task.make_optimizer()
        self.scheduler: LRScheduler = task.make_scheduler(self.optimizer, total_steps=total_steps)
        self.by_step = task.schedules_steps
        self.monitor = task.monitor
        self.optimizer.step()  # without a gradient it moves nothing; schedulers want to see one step before theirs

    @property
    def group(self) -> dict[str, Any]:
        """The numbers of the step to come, as the optimizer's parameter group has them."""
        return self.optimizer.param_groups[0]

    @property
    def lr(self) -> float:
        """The learning rate of the step to come."""
        return float(self.group["lr"])

    def after_step(self) -> None:
        """Move on by one optimizer step."""
        if self.by_step:
            self.scheduler.step()

    def after_epoch(self, measures: dict[str, float]) -> None:
        """Move on by one epoch, judged by what it measured."""
        if self.by_step:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(measures[self.monitor])
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step.*")
                self.scheduler.step()


class Schedules:
    """The schedules of all members; they report when a number may have moved.

    Args:
        schedules: one a member.
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = list(schedules)
        self._by_step = False
        self._look()

    def __getitem__(self, index: int) -> Schedule:
        return self._schedules[index]

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Each member's parameter group."""
        return [schedule.group for schedule in self._schedules]

    def after_step(self) -> bool:
        """Move every schedule on by one optimizer step; return True if a number may have moved."""
        if self._by_step:
            for schedule in self._schedules:
                schedule.after_step()
        return self._by_step

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only."""
        self._schedules = [self._schedules[row] for row in rows]
        self._look()

    def add_members(self, row: int, schedule: Schedule) -> None:
        """Put a schedule into a row in the place of another."""
        self._schedules[row] = schedule
        self._look()

    def _look(self) -> None:
        self._by_step = any(schedule.by_step for schedule in self._schedules)
