"""The record of a study's trials: who runs which, which come next, how each ended.

All drivers of a study write into the same storage. What must not happen twice is done under a lock of the study's
folder, and a trial belongs to the driver whose lease it names for as long as that lives.
"""

import itertools
import logging
import time
from collections.abc import Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from lightune.errors import ConfigError, Problem
from lightune.private_api.optuna import storage_of, trial_again, trial_id_of
from lightune.study.definition.settings import Settings
from lightune.study.definition.spec import agree
from lightune.study.outcome.attempts import has_room
from lightune.study.outcome.outcome import (
    Outcome,
    Status,
    commit,
    is_complete,
    is_final,
    read_outcome,
    read_status,
    read_training,
)
from lightune.study.space.dimensions import text_keys
from lightune.study.space.space import Point, Space
from lightune.study.storage.lease import Lease, is_name
from lightune.study.storage.leftovers import clear_away, newest_change
from lightune.study.storage.locks import study_lock
from lightune.study.storage.records import (
    ATTEMPT,
    FOLDER,
    IDENTITY,
    OUTCOME,
    OWNER,
    PAUSES,
    STOPS,
    TrialRecord,
    best_of,
    best_points,
    folder_of,
    is_seed,
)
from lightune.study.storage.samplers import is_grid, make_pruner, make_sampler, suggest
from lightune.trial import Trial

__all__ = ["TrialStore", "report_to"]

_DEFAULT_TRIALS = 20  # of a study that is no grid


class TrialStore:
    """Ask for the trials of a study, record them, tell how they ended.

    Args:
        storage: where they are recorded.
        folder: the study's folder.
        space: what they may be.
        settings: how they are chosen.
        lease: this driver's sign of life.
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
        self.is_grid = is_grid(settings, space)
        self._listed = _listed_points(space, settings, self.is_grid)
        wanted = settings.n_trials or (len(self._listed) if self.is_grid else _DEFAULT_TRIALS)
        self.n_trials: int = min(wanted, len(self._listed)) if self.is_grid else wanted
        self.n_missing: int = wanted - self.n_trials  # that were asked for, and that a grid does not have
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
        name, began = self._study.study_name, self._study.user_attrs.get(IDENTITY)
        wanted = [objective.direction.upper() for objective in self.settings.objectives]
        directions = [direction.name for direction in self._study.directions]
        self._is_new = began is None
        if began is None:
            self._study.set_user_attr(IDENTITY, identity)
        else:
            agree(name, began, identity, self.settings.vocabulary)
        if directions != wanted:
            rule = f"the storage has a study '{name}' that seeks {directions}, and this one seeks {wanted}"
            key = self.settings.vocabulary.study
            raise ConfigError([Problem(key, f"{rule}; take another {key}=")])

    def forget(self) -> None:
        """Remove the study from its storage, if it began here and has no trial."""
        if self._is_new and not self._trials():
            optuna.delete_study(study_name=self._study.study_name, storage=storage_of(self._study))

    @property
    def study(self) -> optuna.Study:
        """The study as Optuna has it."""
        return self._study

    @property
    def has_trials(self) -> bool:
        """Whether a trial has begun."""
        return bool(self._trials())

    @property
    def prunes(self) -> bool:
        """Whether trials should report how far they are."""
        return self.settings.pruner is not None

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def ask(self, running: Collection[int], *, new: bool = True) -> Trial | None:
        """Return a trial to run: one whose driver has died, or a new one; None if there is none now.

        Args:
            running: numbers of the trials that this driver is running.
            new: whether a new trial may be begun.
        """
        with study_lock(self.folder):
            trials = self._trials()
            for frozen in trials:
                if frozen.state != TrialState.RUNNING or frozen.number in running or self._is_taken(frozen):
                    continue
                trial = self._resume(frozen)
                if trial is not None:
                    return trial
            begun = sum(trial.state != TrialState.WAITING for trial in trials)
            return self._begin(begun) if new and begun < self.n_trials else None

    def _is_taken(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(OWNER)
        return is_name(owner) and owner != self.lease.name and self.lease.is_alive(owner)

    def _resume(self, frozen: FrozenTrial) -> Trial | None:
        """Resume a trial that nobody runs; if its folder says that it has ended, only record that."""
        self.lease.end_workers_of_dead_owners()
        name = folder_of(frozen.user_attrs)
        attempt = int(frozen.user_attrs.get(ATTEMPT, 0))
        folder = self.folder / name if name is not None else None
        begun = folder is not None and has_room(folder, attempt)  # else it is the folder of a failed attempt
        outcome = read_outcome(folder, self.settings.objectives) if folder is not None and begun else None
        again = outcome is not None and outcome.failed and attempt < self.settings.retries
        self._note_pause(frozen, folder)
        if folder is not None and outcome is not None and outcome.is_final and not again:
            clear_away(folder)
            self.tell(frozen.number, outcome)
            return None
        self._study.sampler = make_sampler(self.settings, frozen.number)
        trial = trial_again(self._study, frozen)
        trial.set_user_attr(OWNER, self.lease.name)
        point = suggest(self._study, trial, self.space)
        if again:
            attempt = self.note_failure(frozen.number)
        may_have_begun = folder is None or begun  # its process may have begun before its driver wrote that down
        return self._trial_at(frozen.number, point, resume=may_have_begun and not again, attempt=attempt)

    def _note_pause(self, frozen: FrozenTrial, folder: Path | None) -> None:
        """Record that nobody ran a trial from the last sign of it until now."""
        assert frozen.datetime_start is not None
        since = max(frozen.datetime_start.timestamp(), newest_change(folder) if folder is not None else 0.0)
        known = frozen.user_attrs.get(PAUSES)
        pauses = [*(known if isinstance(known, list) else []), [since, max(since, time.time())]]
        self._note(frozen.number, PAUSES, pauses)

    def _begin(self, number: int) -> Trial:
        self._study.sampler = make_sampler(self.settings, number)
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        if number < len(self._listed) and not waiting:
            point = self._listed[number]
            values = {d.key: d.value(point[d.key]) for d in self.space.dimensions if d.key in point}
            self._study.enqueue_trial(values)
        trial = self._study.ask()
        trial.set_user_attr(OWNER, self.lease.name)
        return self._trial_at(trial.number, suggest(self._study, trial, self.space))

    def _trial_at(self, number: int, point: Point, *, resume: bool = False, attempt: int = 0) -> Trial:
        objectives = self.settings.objectives
        return Trial(
            number=number,
            point=point,
            keys=tuple(dimension.key for dimension in self.space.dimensions),
            texts=text_keys(self.space.dimensions),
            resume=resume,
            prunes=self.prunes,
            reported=self.reported(number) if resume and self.prunes else 0,
            attempt=attempt,
            objectives=tuple(o.metric for o in objectives if o.metric) if len(objectives) > 1 else (),
        )

    def retry(self, trial: Trial) -> Trial:
        """Count a failure of a trial; return it to be started again from scratch."""
        return replace(trial, resume=False, reported=0, attempt=self.note_failure(trial.number))

    def resume(self, trial: Trial) -> Trial:
        """Return a trial whose machine was lost, to be resumed on another."""
        return replace(trial, resume=True, reported=self.reported(trial.number) if self.prunes else 0)

    def note_folder(self, number: int, folder: Path) -> None:
        """Record where a trial writes, so that its end can be found there."""
        relative = str(folder.relative_to(self.folder)) if folder.is_relative_to(self.folder) else str(folder)
        if self._trial(number).user_attrs.get(FOLDER) != relative:
            self._note(number, FOLDER, relative)

    def folder_of(self, number: int) -> Path | None:
        """Return where a trial writes; None if that was never known."""
        name = folder_of(self._trial(number).user_attrs)
        return None if name is None else self.folder / name

    def restore_results(self) -> list[int]:
        """Write what the record knows of finished trials into folders that have lost it; return their numbers.

        A folder that is gone as a whole stays so.
        """
        restored = []
        with study_lock(self.folder):
            for trial in self.records():
                folder = None if trial.folder is None else self.folder / trial.folder
                if (
                    is_final(trial.state)
                    and folder is not None
                    and folder.is_dir()
                    and read_status(folder) is None
                ):
                    commit(folder, _outcome_of(trial))
                    restored.append(trial.number)
        return restored

    def note_stop(self, number: int) -> int:
        """Count that a disk that takes nothing has stopped a trial; return how often that was."""
        stops = int(self._trial(number).user_attrs.get(STOPS, 0)) + 1
        self._note(number, STOPS, stops)
        return stops

    def note_failure(self, number: int) -> int:
        """Count a failed attempt of a trial that gets another; return how many there were."""
        attempt = int(self._trial(number).user_attrs.get(ATTEMPT, 0)) + 1
        self._note(number, ATTEMPT, attempt)
        return attempt

    def report(self, number: int, step: int, value: float) -> bool:
        """Record an intermediate value; return True if the trial should stop."""
        return report_to(self._study, number, step, value)

    def reported(self, number: int) -> int:
        """Return the last step that a trial has reported, 0 if it has reported none."""
        return self._trial(number).last_step or 0

    def tell(self, number: int, outcome: Outcome) -> None:
        """Record the end of a trial, unless another driver that took it over has done so."""
        assert outcome.is_final
        about = {"status": outcome.status, "seconds": outcome.seconds, "error": outcome.error}
        folder = self.folder_of(number)
        about |= read_training(folder) if folder is not None else {}
        self._note(number, OUTCOME, about)
        self._study.sampler = make_sampler(self.settings, number)
        if outcome.counts:
            self._study.tell(number, list(outcome.values or ()), skip_if_finished=True)
        else:
            # Optuna has no state for what is complete and has no value; a plain grid may have such trials
            state = TrialState.FAIL if outcome.failed else TrialState.PRUNED
            self._study.tell(number, state=state, skip_if_finished=True)

    def release(self, number: int) -> None:
        """Leave an interrupted trial to whoever resumes the study."""
        self._note(number, OWNER, None)

    def _note(self, number: int, key: str, value: Any) -> None:
        """Set an attribute of a trial, unless another driver, which took us for dead, has ended the trial."""
        with suppress(UpdateFinishedTrialError):
            storage_of(self._study).set_trial_user_attr(trial_id_of(self._study, number), key, value)

    def _trial(self, number: int) -> FrozenTrial:
        return storage_of(self._study).get_trial(trial_id_of(self._study, number))

    def failures(self) -> int:
        """Return how many trials have failed, of all drivers."""
        return sum(trial.state == TrialState.FAIL for trial in self._trials())

    def records(self) -> list[TrialRecord]:
        """Return all trials in the order of their numbers."""
        return [self._record(trial) for trial in self._trials() if trial.state != TrialState.WAITING]

    def record(self, number: int) -> TrialRecord:
        """Return one trial."""
        return self._record(self._trial(number))

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        known = {dimension.key: dimension for dimension in self.space.dimensions}
        ending = trial.user_attrs.get(OUTCOME)
        ending = ending if isinstance(ending, dict) else {}
        seconds, error = ending.get("seconds"), ending.get("error")
        state = str(ending.get("status", "")) if trial.state.is_finished() else self._state_of_open(trial)
        if trial.state == TrialState.FAIL:
            state = "failed"
        return TrialRecord(
            number=trial.number,
            state=state,
            values=tuple(trial.values) if trial.state == TrialState.COMPLETE and trial.values else None,
            point={key: known[key].text(value) for key, value in trial.params.items() if key in known},
            seconds=seconds if isinstance(seconds, int | float) else None,
            folder=folder_of(trial.user_attrs),
            error=str(error) if error is not None else None,
            epochs=epochs if isinstance(epochs := ending.get("epochs"), int) else None,
            std=std if isinstance(std := ending.get("std"), float) else None,
            reported=trial.intermediate_values[trial.last_step] if trial.last_step is not None else None,
        )

    def _state_of_open(self, trial: FrozenTrial) -> str:
        return (
            "running" if self._is_taken(trial) or self.lease.name == trial.user_attrs.get(OWNER) else "interrupted"
        )

    def best(self) -> list[TrialRecord]:
        """Return the best trial, or the Pareto front of several objectives; nothing if no trial has values.

        Where the seed is swept, it is the first trial of the point with the best mean, and has that.
        """
        seeded = any(is_seed(dimension.key) for dimension in self.space.dimensions)

        def point(trial: FrozenTrial) -> Hashable:
            return frozenset(each for each in trial.params.items() if not (seeded and is_seed(each[0])))

        valued = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE and trial.values]
        judged: Any = {
            "objectives": self.settings.objectives,
            "values": lambda trial: trial.values,
            "point": point,
        }
        if not seeded:
            return [self._record(trial) for trial in best_of(valued, **judged)]
        return [
            replace(
                self._record(best.trials[0]),
                values=best.means,
                seeds=len(best.trials),
                deviations=best.deviations,
            )
            for best in best_points(valued, **judged, whole=self.is_grid)
        ]


def _listed_points(space: Space, settings: Settings, is_grid: bool) -> Sequence[Point]:
    """Return the points that are tried in their order: those enqueued, then those of a grid that are left.

    Raises:
        ConfigError: if an enqueued point is none of the space's.
    """
    listed = [space.point_of(point) for point in settings.enqueue]
    if not is_grid:
        return listed
    _require_whole(listed, space)
    tried = {frozenset(point.items()) for point in listed}
    rest = (point for point in space.grid() if not tried or frozenset(point.items()) not in tried)
    limit = settings.n_trials and max(settings.n_trials - len(listed), 0)
    return [*listed, *itertools.islice(rest, limit)]


def _require_whole(points: Sequence[Point], space: Space) -> None:
    """Refuse points that leave a key of a grid open: the grid has that point, whatever is chosen for it."""
    for index, point in enumerate(points):
        missing = [d.key for d in space.dimensions if space.is_active(d, point) and d.key not in point]
        if missing:
            rule = f"must name every key of a grid, and lacks {', '.join(missing)}"
            raise ConfigError([Problem(space.vocabulary.key(f"enqueue[{index}]"), rule)])


def _outcome_of(trial: TrialRecord) -> Outcome:
    values = () if trial.values is None and is_complete(trial.state) else trial.values
    return Outcome(cast(Status, trial.state), values, trial.seconds or 0.0, trial.error)


def report_to(study: optuna.Study, number: int, step: int, value: float) -> bool:
    """Record an intermediate value of a trial; return True if the study's pruner would stop it.

    Args:
        study: with its pruner.
        number: the trial's.
        step: how far it is, >= 0: epochs, or finished fits.
        value: of the objective.
    """
    storage, trial_id = storage_of(study), trial_id_of(study, number)
    try:
        storage.set_trial_intermediate_value(trial_id, step, value)
    except UpdateFinishedTrialError:  # another driver took us for dead
        return False
    return study.pruner.prune(study, storage.get_trial(trial_id))
