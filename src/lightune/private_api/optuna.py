"""Optuna's private names that lightune needs.

Optuna's own `Study.optimize` keeps a trial from its beginning to its end in one process. Here a trial may be begun
by one driver, run by a worker, and told by another driver, so storage records are reached by the trial's number.
"""

import io
import json
import pickle
from types import SimpleNamespace
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import _cmaes
from optuna.storages import BaseStorage
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import FrozenTrial, Trial

from lightune.errors import StorageError

__all__ = [
    "BaseJournalFileLock",
    "JournalOperation",
    "given_values",
    "is_given",
    "storage_of",
    "suggest",
    "trial_again",
    "trial_id_of",
]

# BaseJournalFileLock: base of the lock that a journal takes a record under.
#   For: a lock that the kernel gives back when its holder dies. Without it: the others wait 30 s after a kill.
# JournalOperation: the kinds of records.
#   For: forcing to disk what a power cut must not lose, and nothing else. Without it: 10 ms more a trial.


_STATE = {
    *(("cmaes._cma", "CMA"), ("cmaes._sepcma", "SepCMA"), ("cmaes._cmawm", "CMAwM")),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(("numpy", "dtype"), ("numpy", "ndarray")),
}


class _StateReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STATE:
            raise StorageError(
                f"the study's record holds {module}.{name} where the state of CmaEsSampler should be; it was not "
                "loaded; restore the record, or take another study"
            )
        return super().find_class(module, name)


def _read_state(content: bytes) -> Any:
    """Return the state of a CMA-ES sampler, which is numbers in three classes of its own.

    For: going on with a study of somebody else. Without it: Optuna runs whatever the record holds.
    """
    return _StateReader(io.BytesIO(content)).load()


vars(_cmaes)["pickle"] = SimpleNamespace(dumps=pickle.dumps, loads=_read_state)


def storage_of(study: Study) -> BaseStorage:
    """Return the storage that a study was opened on.

    For: attributes of trials that another process runs. Without it: each read copies all trials of the study.
    """
    return study._storage


def trial_id_of(study: Study, number: int) -> int:
    """Return the storage's own number of a trial.

    For: as `storage_of`.

    Args:
        study: of the trial.
        number: the trial's in the study.
    """
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def trial_again(study: Study, frozen: FrozenTrial) -> Trial:
    """Return a running trial that another process began, to be continued here.

    For: trials whose driver has died. Without it: they stay RUNNING for ever.
    """
    trial = Trial(study, frozen._trial_id)
    if drawn := _drawn_together(frozen):
        space = study.sampler.infer_relative_search_space(study, frozen)
        if drawn.keys() <= space.keys():
            trial.relative_search_space, trial._relative_params = space, drawn
    return trial


def _drawn_together(trial: FrozenTrial) -> dict[str, Any]:
    """Return what `GPSampler` noted of a running trial's point when it drew that; nothing if it noted nothing.

    For: going on with a point that was cut off while it was chosen. Without it: the sampler takes the trial for
    another that runs beside it, and draws another point.
    """
    texts: list[str] = []
    while (text := trial.system_attrs.get(f"gp:relative_params:{len(texts)}")) is not None:
        texts.append(str(text))
    return dict(json.loads("".join(texts))) if texts else {}


def is_given(trial: Trial, key: str) -> bool:
    """Return True if a trial's value of a key was given beforehand, as that of a point that is tried first.

    For: drawing again what was drawn before. Without it: a trial whose driver was killed while its point was
    chosen may go on at another.
    """
    return key in trial._fixed_params


def given_values(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values of a recorded trial that were given beforehand, by their keys.

    For: asking a sampler again for what it has proposed. Without it: a study with points that were tried first is
    never the same again.
    """
    given = trial.system_attrs.get("fixed_params")
    return dict(given) if isinstance(given, dict) else {}


def suggest(trial: Trial, key: str, distribution: BaseDistribution) -> Any:
    """Return the value of a key, drawn from a distribution unless the trial has it already.

    For: one call for every kind of dimension. Without it: a case for each of Optuna's distributions.
    """
    return trial._suggest(key, distribution)
