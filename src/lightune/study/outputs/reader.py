"""Studies that lie in folders, read without running them."""

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightune.errors import ConfigError, Problem
from lightune.runtime.contained import is_below
from lightune.study.definition.settings import Objective
from lightune.study.definition.spec import FILE_NAME, Spec, own_program, read_spec
from lightune.study.outcome.outcome import FINAL, RESULTS, is_final, read_outcome, read_training
from lightune.study.outputs.command import THE_COMMAND, command_to_go_on
from lightune.study.outputs.table import COLUMNS, OF_A_TRIAL, column_of, read_table
from lightune.study.outputs.table import FILE_NAME as TABLE
from lightune.study.storage.lease import is_at_work
from lightune.study.storage.records import RepeatedPoint, best_of, best_points, is_seed
from lightune.wording import counted

__all__ = ["OUTPUTS", "StudyOnDisk", "find_runs", "find_studies", "found", "open_study", "shown_value"]

OUTPUTS = "outputs"
"""Where studies and runs lie, unless `output_root` says otherwise."""

_LONGEST = 8  # characters of a number that is shown as it is


@dataclass(frozen=True)
class StudyOnDisk:
    """A study as its folder shows it.

    Args:
        folder: the study's.
        objectives: metric and mode of each.
        rows: of `trials.csv`, column → text.
        n_trials: how many it has when it is finished, if that is known.
        program: what it was started with, as it is typed; None if that is no program of lightune's, since the
            folder may be somebody else's.
        is_grid: whether it is the grid of its space.
        spec: what it says of itself, as a whole.
    """

    folder: Path
    objectives: list[dict[str, Any]]
    rows: list[dict[str, str]]
    n_trials: int | None = None
    program: str | None = "python train.py"
    is_grid: bool = True
    spec: Spec | None = None

    def count(self, *states: str) -> int:
        """Return how many trials are in one of some states; all if none is named."""
        return sum(row["state"] in states for row in self.rows) if states else len(self.rows)

    def progress(self) -> str:
        """Return how many trials have ended, and whether these are all, or others run."""
        over, total = self._ended()
        if over >= total:
            return counted(over, "trial")
        return f"{over} of {counted(total, 'trial')}, {'running' if is_at_work(self.folder) else 'unfinished'}"

    def command(self) -> str:
        """Return the command that goes on with it; nothing if it is finished, or at work."""
        if self.is_over or self.spec is None or is_at_work(self.folder):
            return ""
        return command_to_go_on(self.folder, self.spec) or THE_COMMAND

    def _ended(self) -> tuple[int, int]:
        """Return how many trials have ended, and how many there are to be."""
        return self.count(*FINAL), max(self.n_trials or 0, len(self.rows))

    @property
    def is_over(self) -> bool:
        """Whether all its trials have ended."""
        over, total = self._ended()
        return over >= total

    @property
    def columns(self) -> list[str]:
        """The columns of the objectives."""
        return [column_of(objective["metric"]) for objective in self.objectives]

    @property
    def keys(self) -> list[str]:
        """The columns of the swept keys."""
        return [key for key in (self.rows[0] if self.rows else ()) if key not in {*COLUMNS, *self.columns}]

    def best(self) -> list[dict[str, str]]:
        """Return the best row, or those of the Pareto front.

        Where the seed is swept, it is the first row of the point with the best mean, and has that, with `seeds`,
        how many there are, and `METRIC/std`, the standard deviation between them.
        """
        valued = [row for row in self.rows if is_final(row["state"]) and row[self.columns[0]]]
        valued.sort(key=lambda row: int(row["number"]))
        seeded = any(map(is_seed, self.keys))
        keys = [key for key in self.keys if not (seeded and is_seed(key))]
        judged: Any = {
            "objectives": [Objective(objective["metric"], objective["mode"]) for objective in self.objectives],
            "values": lambda row: [float(row[column]) for column in self.columns],
            "point": lambda row: tuple(row.get(key) for key in keys),
        }
        if not seeded:
            return best_of(valued, **judged)
        return [self._with_means(best) for best in best_points(valued, **judged, whole=self.is_grid)]

    def _with_means(self, best: RepeatedPoint[dict[str, str]]) -> dict[str, str]:
        means = dict(zip(self.columns, map(str, best.means), strict=True))
        deviations = {
            f"{column}/std": str(value) for column, value in zip(self.columns, best.deviations, strict=False)
        }
        return {**best.trials[0], **means, **deviations, "seeds": str(len(best.trials))}

    def figures(self, row: dict[str, str], digits: str) -> str:
        """Return the figures of a row as one reads them.

        Args:
            row: as `best` returns it.
            digits: how numbers are written, such as `.4f`.
        """
        shown = []
        for column in self.columns:
            deviation = row.get(f"{column}/std")
            spread = f" ± {float(deviation):.2g} over {row['seeds']} seeds" if deviation is not None else ""
            shown.append(f"{column} {float(row[column]):{digits}}{spread}")
        return "  ".join(shown)

    def trial_folder(self, row: dict[str, str]) -> Path:
        """Return the folder of a trial."""
        return self.folder / (row["folder"] if is_below(row["folder"]) else "unknown")


def open_study(folder: Path) -> StudyOnDisk:
    """Read a study.

    Raises:
        ConfigError: if the folder is no study, or its files are damaged.
    """
    spec = read_spec(folder)
    if spec is None:
        raise ConfigError([Problem(str(folder), f"is no study: it has no {FILE_NAME}")])
    study = StudyOnDisk(folder, spec.objectives, [], spec.n_trials, own_program(spec.program), spec.is_grid, spec)
    try:
        study.rows.extend(read_table(folder))
        for row in study.rows:
            _require_row(row, study.columns)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        rule = f"cannot be read ({error}); the study's own command writes it again"
        raise ConfigError([Problem(str(folder / TABLE), rule)]) from error
    _settle(study)
    return study


def _settle(study: StudyOnDisk) -> None:
    """Correct what the table of a study whose driver was killed still says of the trials that it was running.

    Those that wrote their result have ended as that says, which the study itself believes, too, when it goes on;
    the others were interrupted, and those that failed where failures are tried again. While a driver is at work,
    the table is its own. The files may be somebody else's: no link is followed.
    """
    open_rows = [row for row in study.rows if not is_final(row["state"])]
    if not open_rows or is_at_work(study.folder):
        return
    objectives = [Objective(objective["metric"], objective["mode"]) for objective in study.objectives]
    words = study.spec.overrides if study.spec is not None else []
    tries_again = any(str(word).partition("=")[0].endswith("retries") for word in words)
    for row in open_rows:
        folder = study.trial_folder(row) if row["folder"] else None
        row["state"] = "interrupted"
        if folder is None or not _is_plain(folder):
            continue
        with suppress(ArithmeticError, AttributeError, RecursionError, TypeError, ValueError):  # none of a study's
            outcome = read_outcome(folder, objectives)
            if outcome is None or not outcome.is_final or (outcome.failed and tries_again):
                continue
            training = {f"{OF_A_TRIAL}{name}": f"{value:g}" for name, value in read_training(folder).items()}
            figures = dict(zip(study.columns, map(str, outcome.values or ()), strict=False))
            row.update(training | figures, seconds=f"{outcome.seconds:.3f}", error=str(outcome.error or ""))
            row["state"] = outcome.status


def _is_plain(folder: Path) -> bool:
    """Tell whether a trial's folder, and what says how it ended, are no links and no devices."""
    files = {folder / Path(pattern).name for pattern in RESULTS}
    there = [file for file in files if file.is_symlink() or file.exists()]
    return not folder.is_symlink() and all(file.is_file() and not file.is_symlink() for file in there)


def _require_row(row: Mapping[str, str], objectives: Sequence[str]) -> None:
    """Refuse a row that no study writes: the file may be somebody else's.

    Raises:
        ValueError: if a figure is none.
        KeyError: if a column is missing.
    """
    int(row["number"])
    if not all(isinstance(row[column], str) for column in COLUMNS):
        raise ValueError("a row is too short")
    for column in objectives:
        float(row[column] or 0)


def found(path: Path) -> Path:
    """Return a path as it is, unless nothing is there and a study of that name lies in the outputs folder.

    What lies in such a study is found by its name, too, as `first/trials/3`.
    """
    if path.exists() or path.is_absolute() or not path.parts:
        return path
    studies = Path(OUTPUTS, "studies")
    is_study = (studies / path.parts[0] / FILE_NAME).is_file()
    return studies / path if is_study and (studies / path).exists() else path


def _output_root(folder: Path) -> Path:
    """Return what holds a folder of studies or of runs; any other folder as it is."""
    return folder.parent if folder.name in ("studies", "runs") else folder


def find_studies(root: Path) -> list[Path]:
    """Return the folders of the studies below a folder, newest first; a study itself is the only one."""
    if (root / FILE_NAME).is_file():
        return [root]
    found = [file.parent for file in _output_root(root).glob(f"studies/*/{FILE_NAME}") if file.is_file()]
    return sorted(found, key=lambda folder: (folder / FILE_NAME).stat().st_mtime, reverse=True)


def find_runs(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the folders of the single runs below a folder with their results, newest first.

    A run that is under way, or was killed, has none: its status is `unfinished`.
    """
    found, root = [], _output_root(root)
    for folder in {file.parents[1] for file in root.glob("runs/*/*/.hydra/config.yaml")} | {
        file.parent for file in root.glob("runs/*/*/result.json")
    }:
        result, file = {"status": "unfinished"}, folder / "result.json"
        try:
            changed = (file if file.exists() else folder / ".hydra" / "config.yaml").stat().st_mtime
            if file.is_file():
                result = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(result, dict):
            found.append((changed, folder, result))
    return [(folder, result) for _, folder, result in sorted(found, key=lambda each: (-each[0], each[1]))]


def shown_value(text: str) -> str:
    """Return a value of a point as one reads it: a drawn number with six digits, which files have in full."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.6g}" if len(text) > _LONGEST and not text.isdigit() else text
