"""What was computed of a study's trials: what mattered, and how much of the best is luck; kept in `analysis.json`.

It is kept because importances take seconds; it is computed again when there are other trials. This module must not
import Optuna, torch or Lightning.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightune.report.findings import Importance, Luck
from lightune.report.study_data import StudyData
from lightune.runtime.atomic_files import write_json
from lightune.study.outcome.outcome import FINAL

__all__ = ["FILE_NAME", "Analysis", "analyse", "keep_analysis", "read_analysis"]

FILE_NAME = "analysis.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Analysis:
    """What was computed of a study's trials.

    Args:
        trials: that were over.
        importances: for each objective, of each parameter, the greatest first.
        luck: what the best is worth.
    """

    trials: int
    importances: tuple[tuple[Importance, ...], ...]
    luck: Luck

    @property
    def mattered(self) -> list[str]:
        """Keys of parameters above chance for any objective, the most important first."""
        return list(dict.fromkeys(each.key for some in self.importances for each in some if each.matters))


def analyse(study: StudyData) -> Analysis:
    """Return what is known of a study's trials: as it was kept, or computed now where these are others."""
    kept = read_analysis(study)
    return kept if kept is not None and kept.trials == ended(study) else _computed(study)


def _computed(study: StudyData) -> Analysis:
    from lightune.report.importances import importances_of
    from lightune.report.luck import luck_of

    found = [tuple(importances_of(study, objective=place)) for place in range(len(study.objectives))]
    return Analysis(ended(study), tuple(found), luck_of(study))


def ended(study: StudyData) -> int:
    """Return how many trials of a study are over."""
    return sum(study.counts[state] for state in FINAL)


def keep_analysis(study: StudyData, analysis: Analysis) -> None:
    """Write `analysis.json`, unless the folder cannot be written: it is computed again, then."""
    content = {"schema": _SCHEMA, **asdict(analysis)}
    with suppress(OSError, ValueError):
        write_json(study.folder / FILE_NAME, content)


def read_analysis(study: StudyData) -> Analysis | None:
    """Read what was computed of a study; None if it is not there, of other parameters, or somebody else's."""
    try:
        content: Any = json.loads(Path(study.folder, FILE_NAME).read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            return None
        importances = tuple(
            tuple(Importance(str(each["key"]), float(each["share"]), float(each["chance"])) for each in some)
            for some in content["importances"]
        )
        luck = content["luck"]
        numbers = {
            name: None if luck[name] is None else float(luck[name])
            for name in ("found", "expected", "low", "high", "half")
        }
        known = Luck(
            **numbers, points=int(luck["points"]), samples=int(luck["samples"]), reason=str(luck["reason"])
        )
        trials = int(content["trials"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    keys = {parameter.key for parameter in study.parameters}
    is_sound = len(importances) == len(study.objectives) and all(
        each.key in keys for some in importances for each in some
    )
    return Analysis(trials, importances, known) if is_sound else None
