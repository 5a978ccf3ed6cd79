"""Whether the sampler of a study proposes the same points again, given what the trials before them gave.

Nothing is trained: the record of the study says what was known when a trial began. Where others were running then,
how far they were is not recorded; a sampler that goes by that may propose another point, which is no difference.
"""

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightune.errors import ConfigError, Problem
from lightune.private_api.optuna import given_values, suggest
from lightune.study.definition.settings import Objective, Settings
from lightune.study.definition.spec import FILE_NAME, Spec, read_spec
from lightune.study.storage.journal import JOURNAL, recorded_study
from lightune.study.storage.samplers import goes_by_sequence, make_sampler

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True)
class Replayed:
    """What came of asking the sampler again.

    Args:
        same: numbers of the trials whose points it proposes again.
        different: of those for which it proposes others, although all before had ended.
        untold: of those for which it proposes others, and which began while others were running.
    """

    same: tuple[int, ...]
    different: tuple[int, ...]
    untold: tuple[int, ...]


def replay(folder: Path) -> Replayed | str:
    """Ask a study's sampler for each of its trials again.

    Args:
        folder: the study's.

    Returns:
        What came of it, or why it cannot be asked, in words that can follow "were not compared: ".

    Raises:
        ConfigError: if the study cannot be read.
    """
    spec = read_spec(folder)
    if spec is None:
        raise ConfigError([Problem(str(folder), f"is no study: it has no {FILE_NAME}")])
    if spec.is_grid:
        return "a grid proposes none"
    if spec.storage != "journal":
        return f"they are recorded in {spec.storage}"
    if not (folder / JOURNAL).is_file():
        return f"{JOURNAL} of the study is not here"
    optuna.logging.set_verbosity(logging.WARNING)
    recorded = recorded_study(folder)
    trials = [trial for trial in recorded.get_trials() if trial.state != TrialState.WAITING]
    settings = _settings(spec)
    found: dict[str, list[int]] = {"same": [], "different": [], "untold": []}
    counted = _study_of(recorded) if goes_by_sequence(make_sampler(settings, 0)) else None
    for trial in trials:
        before = [each for each in trials if each.number < trial.number]
        running = [each.number for each in before if _ran_at(each, trial)]
        asked = counted or _study_of(recorded)
        if counted is None:  # a sequence counts how often it was asked, and goes by nothing else
            asked.add_trials([_as_running(each) if each.number in running else each for each in before])
        params = _proposed(asked, trial, settings)
        found["same" if params == trial.params else "untold" if running else "different"].append(trial.number)
    return Replayed(**{name: tuple(numbers) for name, numbers in found.items()})


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial as it was when it had just begun."""
    then = copy.copy(trial)
    then.state, then.values, then.datetime_complete = TrialState.RUNNING, None, None
    then.intermediate_values = {}
    return then


def _settings(spec: Spec) -> Settings:
    objectives = tuple(Objective(**each) for each in spec.objectives)
    return Settings(objectives, sampler=spec.sampler, seed=spec.seed)


def _ran_at(other: FrozenTrial, trial: FrozenTrial) -> bool:
    """Tell whether a trial had not ended when another began."""
    if other.datetime_complete is None or trial.datetime_start is None:
        return True
    return other.datetime_complete > trial.datetime_start


def _study_of(recorded: optuna.Study) -> optuna.Study:
    return optuna.create_study(directions=recorded.directions)


def _proposed(study: optuna.Study, trial: FrozenTrial, settings: Settings) -> dict[str, Any]:
    study.sampler = make_sampler(settings, trial.number)
    if given := given_values(trial):
        study.enqueue_trial(given)
    asked = study.ask()
    for key, distribution in trial.distributions.items():
        suggest(asked, key, distribution)
    return asked.params
