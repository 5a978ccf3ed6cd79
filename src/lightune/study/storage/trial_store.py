"""The record of a study's trials: who has which, which come next, how each ended.

All sweepers on a study write into the same book. What must not happen twice is done under a lock of the study's
folder, and a trial belongs to the sweeper whose lease it names for as long as that lives.
"""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from lightune.errors import ConfigError, Problem
from lightune.study.definition.settings import Settings
from lightune.study.definition.spec import agree
from lightune.study.outcome.attempts import has_room
from lightune.study.outcome.outcome import Outcome, read_outcome
from lightune.study.space.space import Point, Space
from lightune.study.storage.backends import FOLDER
from lightune.study.storage.lease import Lease, study_lock
from lightune.study.storage.samplers import is_grid, make_pruner, make_sampler, suggest

__all__ = ["Book", "Row", "Ticket", "report_to"]

_OWNER, _OUTCOME, _ATTEMPT, _IDENTITY = "owner", "outcome", "attempt", "identity"


@dataclass(frozen=True)
class Ticket:
    """A trial to run.

    Args:
        number: its number in the study.
        point: its point of the space.
        resume: whether an earlier start of it was interrupted.
        attempt: how often it failed before.
    """

    number: int
    point: Point
    resume: bool = False
    attempt: int = 0


@dataclass(frozen=True)
class Row:
    """A trial as the study knows it.

    Args:
        number: its number.
        state: `running`, or a final status.
        values: one for each objective, if it has them.
        point: its point of the space.
        seconds: wall time, if it is over.
        folder: relative to the study's folder, if it is known.
        error: why it failed.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    point: Point
    seconds: float | None
    folder: str | None
    error: str | None


class Book:
    """Ask, keep and tell the trials of a study.

    Args:
        storage: where they are recorded.
        folder: the study's folder.
        space: what they may be.
        settings: how they are chosen.
        lease: this sweeper's sign of life.
        name: of the study in the storage; by default that of the folder, which may have been moved since.
        identity: of the study, as `identity_of` returns it.

    Raises:
        ConfigError: if the storage has a study of this name that is another, or a sampler cannot be made.
    """

    def __init__(
        self,
        storage: BaseStorage,
        *,
        folder: Path,
        space: Space,
        settings: Settings,
        lease: Lease,
        name: str | None = None,
        identity: dict[str, str] | None = None,
    ) -> None:
        optuna.logging.set_verbosity(logging.WARNING)
        self.folder, self.space, self.settings, self.lease = folder, space, settings, lease
        self._pruner: BasePruner = make_pruner(settings)
        make_sampler(settings, 0)
        listed = [space.point_of(point) for point in settings.enqueue]
        grid = is_grid(settings, space)
        if grid:
            _require_whole(listed, space)
            fresh = (point for point in space.grid() if point not in listed)
            limit = settings.n_trials and max(settings.n_trials - len(listed), 0)
            listed += itertools.islice(fresh, limit)
        self.is_grid = grid
        self._listed: Sequence[Point] = listed
        wanted = settings.n_trials or (len(listed) if grid else 20)
        self.n_trials: int = min(wanted, len(listed)) if grid else wanted
        with study_lock(self.folder):
            self._study = optuna.create_study(
                study_name=name or folder.name,
                storage=storage,
                directions=[objective.direction for objective in settings.objectives],
                sampler=RandomSampler(0),
                pruner=self._pruner,
                load_if_exists=True,
            )
            self._require_same(identity or {})

    def _require_same(self, identity: dict[str, str]) -> None:
        """Refuse a study that a storage knows under this name and that began as another one."""
        name, began = self._study.study_name, self._study.user_attrs.get(_IDENTITY)
        wanted = [objective.direction.upper() for objective in self.settings.objectives]
        directions = [direction.name for direction in self._study.directions]
        self._is_new = began is None
        if began is None:
            self._study.set_user_attr(_IDENTITY, identity)
        else:
            agree(name, began, identity)
        if directions != wanted:
            rule = f"the storage has a study '{name}' that seeks {directions}, and this one seeks {wanted}"
            raise ConfigError([Problem("search.study", f"{rule}; take another search.study=")])

    def forget(self) -> None:
        """Remove the study from its storage, if it began here and has no trial."""
        if self._is_new and not self._trials():
            optuna.delete_study(study_name=self._study.study_name, storage=self._study._storage)

    @property
    def study(self) -> optuna.Study:
        """The study as Optuna has it."""
        return self._study

    @property
    def prunes(self) -> bool:
        """Whether trials should report how far they are."""
        return self.settings.pruner is not None

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def next(self, mine: set[int], *, new: bool = True) -> Ticket | None:
        """Return a trial to run: one that a dead sweeper left, or a new one; None if there is none now.

        Args:
            mine: numbers of the trials that this sweeper is running.
            new: whether a new trial may be begun.
        """
        with study_lock(self.folder):
            trials = self._trials()
            for trial in trials:
                if trial.state != TrialState.RUNNING or trial.number in mine or self._is_taken(trial):
                    continue
                ticket = self._take_over(trial)
                if ticket is not None:
                    return ticket
            begun = sum(trial.state != TrialState.WAITING for trial in trials)
            return self._begin(begun) if new and begun < self.n_trials else None

    def _is_taken(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(_OWNER)
        return owner is not None and owner != self.lease.name and self.lease.is_alive(owner)

    def _take_over(self, frozen: FrozenTrial) -> Ticket | None:
        """Take up a trial that nobody runs; if its folder says that it is over, only write that down."""
        self.lease.fence_off_the_dead()
        name = frozen.user_attrs.get(FOLDER)
        attempt = int(frozen.user_attrs.get(_ATTEMPT, 0))
        folder = self.folder / name if name is not None else None
        begun = folder is not None and has_room(folder, attempt)  # else it is the folder of a failed start
        outcome = read_outcome(folder, self.settings.objectives) if folder is not None and begun else None
        again = outcome is not None and outcome.failed and attempt < self.settings.retries
        if outcome is not None and outcome.is_final and not again:
            self.tell(frozen.number, outcome)
            return None
        self._study.sampler = make_sampler(self.settings, frozen.number)
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        trial.set_user_attr(_OWNER, self.lease.name)
        point = suggest(self._study, trial, self.space, self.settings)
        if again:
            attempt = self.note_failure(frozen.number)
        return Ticket(frozen.number, point, resume=begun and not again, attempt=attempt)

    def _begin(self, number: int) -> Ticket:
        self._study.sampler = make_sampler(self.settings, number)
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        if number < len(self._listed) and not waiting:
            point = self._listed[number]
            values = {d.key: d.value(point[d.key]) for d in self.space.dimensions if d.key in point}
            self._study.enqueue_trial(values)
        trial = self._study.ask()
        trial.set_user_attr(_OWNER, self.lease.name)
        return Ticket(trial.number, suggest(self._study, trial, self.space, self.settings))

    def note_folder(self, number: int, folder: Path) -> None:
        """Write down where a trial writes, so that its end can be found there."""
        relative = str(folder.relative_to(self.folder)) if folder.is_relative_to(self.folder) else str(folder)
        if self._trial(number).user_attrs.get(FOLDER) != relative:
            self._study._storage.set_trial_user_attr(self._trial_id(number), FOLDER, relative)

    def note_failure(self, number: int) -> int:
        """Count a failed start of a trial that gets another; return how many there were."""
        attempt = int(self._trial(number).user_attrs.get(_ATTEMPT, 0)) + 1
        self._study._storage.set_trial_user_attr(self._trial_id(number), _ATTEMPT, attempt)
        return attempt

    def report(self, number: int, step: int, value: float) -> bool:
        """Take in an intermediate value; return whether the trial should stop."""
        return report_to(self._study, number, step, value)

    def reported(self, number: int) -> int:
        """Return how far a trial has said to be, 0 if it has said nothing."""
        return self._trial(number).last_step or 0

    def tell(self, number: int, outcome: Outcome) -> None:
        """Write down the end of a trial."""
        assert outcome.is_final
        about = {"status": outcome.status, "seconds": outcome.seconds, "error": outcome.error}
        self._study._storage.set_trial_user_attr(self._trial_id(number), _OUTCOME, about)
        self._study.sampler = make_sampler(self.settings, number)
        if outcome.counts:
            self._study.tell(number, list(outcome.values or ()), skip_if_finished=True)
        else:
            # Optuna has no state for what is complete and has no value; a plain grid may have such trials
            state = TrialState.FAIL if outcome.failed else TrialState.PRUNED
            self._study.tell(number, state=state, skip_if_finished=True)

    def release(self, number: int) -> None:
        """Leave an interrupted trial to whoever goes on with the study."""
        self._study._storage.set_trial_user_attr(self._trial_id(number), _OWNER, None)

    def _trial_id(self, number: int) -> int:
        return self._study._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)

    def _trial(self, number: int) -> FrozenTrial:
        return self._study._storage.get_trial(self._trial_id(number))

    def failures(self) -> int:
        """Return how many trials have failed, of all sweepers."""
        return sum(trial.state == TrialState.FAIL for trial in self._trials())

    def rows(self) -> list[Row]:
        """Return all trials in the order of their numbers."""
        return [self._row(trial) for trial in self._trials() if trial.state != TrialState.WAITING]

    def row(self, number: int) -> Row:
        """Return one trial."""
        return self._row(self._trial(number))

    def _row(self, trial: FrozenTrial) -> Row:
        known = {dimension.key: dimension for dimension in self.space.dimensions}
        about = trial.user_attrs.get(_OUTCOME) or {}
        state = str(about.get("status", "")) if trial.state.is_finished() else self._state_of_open(trial)
        if trial.state == TrialState.FAIL:
            state = "failed"
        return Row(
            number=trial.number,
            state=state,
            values=tuple(trial.values) if trial.state == TrialState.COMPLETE and trial.values else None,
            point={key: known[key].text(value) for key, value in trial.params.items() if key in known},
            seconds=about.get("seconds"),
            folder=trial.user_attrs.get(FOLDER),
            error=about.get("error"),
        )

    def _state_of_open(self, trial: FrozenTrial) -> str:
        return (
            "running"
            if self._is_taken(trial) or self.lease.name == trial.user_attrs.get(_OWNER)
            else "interrupted"
        )

    def best(self) -> list[Row]:
        """Return the best trial, or the Pareto front of several objectives; nothing if no trial has values.

        Of trials at the same point with the same values, the first is there for all.
        """
        if not any(trial.state == TrialState.COMPLETE for trial in self._trials()):
            return []
        chosen = self._study.best_trials if len(self.settings.objectives) > 1 else [self._study.best_trial]
        rows = [self._row(trial) for trial in sorted(chosen, key=lambda trial: -trial.number)]
        once = {(row.values, tuple(row.point.items())): row for row in rows}
        return sorted(once.values(), key=lambda row: row.number)


def _require_whole(points: Sequence[Point], space: Space) -> None:
    """Refuse points that leave a key of a grid open: the grid has that point, whatever is chosen for it."""
    for index, point in enumerate(points):
        missing = [d.key for d in space.dimensions if space.is_active(d, point) and d.key not in point]
        if missing:
            rule = f"must name every key of a grid, and lacks {', '.join(missing)}"
            raise ConfigError([Problem(f"search.enqueue[{index}]", rule)])


def report_to(study: optuna.Study, number: int, step: int, value: float) -> bool:
    """Record an intermediate value of a trial; return whether the study's pruner would stop it.

    Args:
        study: with its pruner.
        number: the trial's.
        step: how far it is, >= 0.
        value: of the objective.
    """
    storage = study._storage
    trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    storage.set_trial_intermediate_value(trial_id, step, value)
    return study.pruner.prune(study, storage.get_trial(trial_id))
