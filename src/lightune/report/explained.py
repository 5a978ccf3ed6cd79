"""What `lightune explain STUDY` has found of a study, as it is kept in its folder and shown.

This module must not import Optuna, torch or Lightning.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightune.report.ablation import Change, Effect, Estimate, Pruned
from lightune.report.study_data import StudyData
from lightune.runtime.atomic_files import write_json, write_whole
from lightune.runtime.plain_text import cell
from lightune.wording import counted

__all__ = ["COLUMNS", "FOLDER", "Explanation", "keep_explanation", "read_explanation"]

FOLDER = "explain"
_TABLE, _WHOLE = "changes.csv", "changes.json"
COLUMNS = ("change", "from default to best", "bought", "alone", "in the best", "")


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Args:
        trial: number of the best trial that was explained.
        metric: by which the study is judged.
        effects: of the changes, the most first.
        total: of all changes together; None where there are none, or a training failed.
        pruned: what pruning cost; None where no pruned trial was finished.
        alike: labels of keys that the best has as by default.
        withheld: keys of the study's command that were left out, as only whoever types them can vouch for them.
    """

    trial: int
    metric: str
    effects: tuple[Effect, ...]
    total: Estimate | None
    pruned: Pruned | None
    alike: tuple[str, ...]
    withheld: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of a table under `COLUMNS`."""
        return [
            (
                effect.change.label
                + (f" (given {', '.join(effect.change.given)})" if effect.change.given else ""),
                f"{effect.change.default} -> {effect.change.best}",
                *map(_figure, _estimates(effect)),
                _told(effect),
            )
            for effect in self.effects
        ]

    def lines(self, study: StudyData) -> list[str]:
        """Return what is said below the table.

        Args:
            study: as it is now; its best may be another by then.
        """
        lines = []
        if self.total is not None:
            lines.append(
                f"in all  {_figure(self.total)} of {self.metric}, over {counted(self.total.count, 'seed')}"
            )
        if self.alike:
            lines.append(f"as by default: {', '.join(self.alike)}")
        if self.withheld:
            lines.append(f"without {', '.join(self.withheld)}, which only whoever types it can vouch for")
        if self.pruned is not None:
            lines.append(_of_pruning(self.metric, self.pruned))
        if study.best and study.best[0].number != self.trial:
            now = study.best[0].number
            lines.append(
                f"this is of trial {self.trial}; trial {now} is the best now: lightune explain trains its changes"
            )
        return lines

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "trial": self.trial,
            "metric": self.metric,
            "changes": [
                {
                    **asdict(effect.change),
                    "given": list(effect.change.given),
                    "bought": _plain(effect.both),
                    "alone": _plain(effect.added),
                    "in_the_best": _plain(effect.taken),
                }
                for effect in self.effects
            ],
            "in_all": _plain(self.total),
            "pruned": None if self.pruned is None else asdict(self.pruned),
            "alike": list(self.alike),
            "withheld": list(self.withheld),
        }


def keep_explanation(folder: Path, explanation: Explanation) -> None:
    """Write `changes.csv` and `changes.json` into `explain/` of a study's folder."""
    write_whole(folder / FOLDER / _TABLE, _csv(explanation.effects).encode())
    write_json(folder / FOLDER / _WHOLE, explanation.plain())


def read_explanation(folder: Path) -> Explanation | None:
    """Read what was found of a study; None where nothing was, or the file is somebody else's."""
    try:
        content: Any = json.loads((folder / FOLDER / _WHOLE).read_text(encoding="utf-8"))
        effects = tuple(
            Effect(
                Change(
                    key=str(each["key"]),
                    label=str(each["label"]),
                    default=str(each["default"]),
                    best=str(each["best"]),
                    given=_texts(each["given"]),
                ),
                *(_estimate(each[name]) for name in ("alone", "in_the_best", "bought")),
            )
            for each in content["changes"]
        )
        pruned = content["pruned"]
        return Explanation(
            int(content["trial"]),
            str(content["metric"]),
            effects,
            _estimate(content["in_all"]),
            None
            if pruned is None
            else Pruned(
                int(pruned["finished"]), int(pruned["better"]), float(pruned["value"]), float(pruned["gain"])
            ),
            _texts(content["alike"]),
            _texts(content["withheld"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _texts(content: Any) -> tuple[str, ...]:
    return tuple(map(str, content))


def _estimate(content: Mapping[str, Any] | None) -> Estimate | None:
    if content is None:
        return None
    std = content["std"]
    return Estimate(float(content["mean"]), None if std is None else float(std), int(content["count"]))


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {**asdict(estimate), "told_from_chance": estimate.is_told_from_chance}


def _estimates(effect: Effect) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    return effect.both, effect.added, effect.taken


def _told(effect: Effect) -> str:
    if effect.both is None:
        return "a training of it failed"
    return "" if effect.both.is_told_from_chance else "not told from chance"


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.mean:+.4f}" + (f" ± {estimate.std:.4f}" if estimate.std is not None else "")


def _of_pruning(metric: str, pruned: Pruned) -> str:
    done = f"pruning  {counted(pruned.finished, 'pruned trial')} trained to the end: "
    reached = f"{metric} {pruned.value:.4f} ({pruned.gain:+.4f})"
    if pruned.better:
        return f"{done}{pruned.better} better than the best, {reached}"
    return f"{done}none is better than the best, the nearest {reached}"


def _csv(effects: Sequence[Effect]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("bought", "alone", "in_the_best")
    writer.writerow(
        ["key", "default", "best", *(f"{name}{end}" for name in names for end in ("", "_std")), "seeds"]
    )
    for effect in effects:
        figures = [
            "" if value is None else repr(value)
            for estimate in _estimates(effect)
            for value in ((None, None) if estimate is None else (estimate.mean, estimate.std))
        ]
        change = effect.change
        count = effect.both.count if effect.both is not None else 0
        writer.writerow([cell(change.key), cell(change.default), cell(change.best), *figures, count])
    return text.getvalue()
