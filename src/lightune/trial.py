"""What a task may know of the trial that it runs as.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["PrunedError", "Trial", "current_trial", "running"]


class PrunedError(Exception):
    """Raised by a task that stops because `Trial.report` said so; the trial counts as pruned, not as failed."""


def _keep(step: int, value: float) -> bool:
    return False


@dataclass(frozen=True)
class Trial:
    """One trial of a study, as the task that runs it sees it.

    Args:
        number: its number in the study, >= 0.
        point: swept key → the text of its value.
        keys: all keys that the study sweeps; those that do not exist at this point are not in `point`.
        texts: those of the keys whose values a table shows as texts, as not every trial has a number there.
        resume: whether an earlier, interrupted start of this trial may have left a checkpoint in its folder.
        prunes: whether the study has a pruner; without one nothing needs to be reported.
        reported: the last step that earlier starts of this trial have reported, >= 0.
        attempt: how often it failed before, >= 0.
        objectives: the metrics that the study is judged by; empty if the task's return value says it all.
        report: tell how far the trial is (step, value); True means that it should stop.
    """

    number: int
    point: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    resume: bool = False
    prunes: bool = False
    reported: int = 0
    attempt: int = 0
    objectives: tuple[str, ...] = ()
    report: Callable[[int, float], bool] = _keep

    def hparams(self) -> dict[str, float | str]:
        """Return key → value as a table of trials shows them: numbers where every trial has one, `-` for none."""
        return {key.lstrip("+"): self._shown(key) for key in self.keys}

    def _shown(self, key: str) -> float | str:
        text = self.point.get(key, "-")
        if key in self.texts:
            return text
        try:
            return float(text)
        except ValueError:
            return text


_running: list[Trial] = []


def current_trial() -> Trial | None:
    """Return the trial that this process runs at the moment; None outside of a study."""
    return _running[-1] if _running else None


@contextmanager
def running(trial: Trial) -> Iterator[None]:
    """Let `current_trial` answer with a trial while its task runs."""
    _running.append(trial)
    try:
        yield
    finally:
        _running.pop()
