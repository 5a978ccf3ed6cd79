"""`lightune list`: the studies and runs below a folder, how far they are, and the command that goes on with each.

This module must not import Optuna, torch or Lightning.
"""

import argparse
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightune.cli.arguments import typed_path
from lightune.cli.records import print_records
from lightune.errors import ConfigError, Problem
from lightune.paths import absence, resume_command
from lightune.report.filters import parse_where, selected
from lightune.report.remarks import Remarks, read_remarks
from lightune.report.run_data import UNFINISHED, read_run
from lightune.runtime.plain_text import escaped, say
from lightune.study.outputs.reader import OUTPUTS, find_runs, find_studies, found, open_study
from lightune.study.storage import lease
from lightune.training.run_owner import is_at_work
from lightune.wording import clipped

__all__ = ["Entry", "add_arguments", "entries_below", "list_all"]

_LONGEST_NOTE = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune list` takes."""
    add = parser.add_argument
    add(
        "root",
        type=typed_path,
        nargs="?",
        default=Path(OUTPUTS),
        metavar="ROOT",
        help="their output_root (default: outputs)",
    )
    add("--where", metavar="CONDITIONS", help='which ones, as in "status = unfinished and tags ~ baseline"')
    add("--sort", metavar="KEY", help="what they are sorted by, from the least (default: the newest first)")
    add("--reverse", action="store_true", help="turn the order round")
    add("--json", action="store_true", help="print JSON instead of a table")


@dataclass(frozen=True)
class Entry:
    """A study or a run in the list.

    Args:
        folder: where it lies.
        kind: `study` or `run`.
        status: `finished`, `unfinished`, `running`, `damaged`, or that of a run's result.
        state: the same in words, with how far it is.
        remarks: what a person wrote about it.
        metric: what it is judged by.
        value: the best of it.
        std: its standard deviation over seeds or fits.
        shown: the value as one reads it.
        trials: of a study.
        failed: trials that failed.
        again: the command that goes on with it; empty where nothing is left to do.
    """

    folder: Path
    kind: str
    status: str
    state: str
    remarks: Remarks = Remarks()  # noqa: RUF009 - it is frozen
    metric: str | None = None
    value: float | None = None
    std: float | None = None
    shown: str = ""
    trials: int | None = None
    failed: int | None = None
    again: str = ""

    def cells(self) -> dict[str, Any]:
        """Return what it may be chosen and sorted by."""
        return {
            "folder": str(self.folder), "kind": self.kind, "status": self.status, "name": self.remarks.name,
            "note": self.remarks.note, "tags": ", ".join(self.remarks.tags), "metric": self.metric,
            "value": self.value, "std": self.std, "trials": self.trials, "failed": self.failed,
        }  # fmt: skip


def list_all(options: argparse.Namespace, program: str) -> None:
    """List the studies, then the runs.

    Args:
        options: as `add_arguments` declares them.
        program: what trains here, as it is typed.

    Raises:
        ConfigError: if an option cannot be used.
    """
    where, root = parse_where(options.where), found(options.root)
    if not root.exists() and root != Path(OUTPUTS):
        raise ConfigError([Problem("ROOT", absence(root))])
    every = entries_below(root, program)
    entries = selected(every, Entry.cells, where=where, sort=options.sort, reverse=options.reverse)
    if options.json:
        plain = [
            {**entry.cells(), "tags": list(entry.remarks.tags), "go_on_with": entry.again or None}
            for entry in entries
        ]
        print(escaped(json.dumps(plain, indent=2, ensure_ascii=False)))
        return
    if not entries:
        what = "that --where asks for " if every else ""
        say(f"there are no studies and no runs {what}below {root}")
        return
    with_notes = any(_note_of(entry) for entry in entries)
    columns = ["folder", "state", "best", *(["note"] if with_notes else []), "go on with"]
    records = [
        [str(entry.folder), entry.state, entry.shown, *([_note_of(entry)] if with_notes else []), entry.again]
        for entry in entries
    ]
    print_records(records, columns)


def entries_below(root: Path, program: str) -> list[Entry]:
    """Return the studies, then the runs below a folder, the newest first.

    Args:
        root: their output_root.
        program: what trains here, as it is typed.
    """
    return [*_studies(root), *_runs(root, program)]


def _note_of(entry: Entry) -> str:
    short = clipped(entry.remarks.note, _LONGEST_NOTE)
    return " ".join([*([short] if short else []), *(f"#{tag}" for tag in entry.remarks.tags)])


def _studies(root: Path) -> Iterator[Entry]:
    for folder in find_studies(root):
        try:
            study = open_study(folder)
        except ConfigError as refusal:
            yield Entry(folder, "study", "damaged", "cannot be read", shown=refusal.problems[0].message)
            continue
        best = study.best()
        value = study.figures(best[0], ".4f") if best else ""
        std = None
        if best:
            said = best[0].get(f"{study.columns[0]}/std")
            std = float(said) if said is not None else read_run(study.trial_folder(best[0])).std
            value += f" ± {std:.2g}" if std is not None and said is None and len(study.objectives) == 1 else ""
        if len(best) > 1:
            value += f"  (the first of {len(best)} on the Pareto front: lightune best {shlex.quote(str(folder))})"
        failed = study.count("failed")
        running = lease.is_at_work(folder)
        yield Entry(
            folder, "study", "running" if running else "finished" if study.is_over else UNFINISHED,
            study.progress() + (f", {failed} failed" if failed else ""), read_remarks(folder),
            study.columns[0], float(best[0][study.columns[0]]) if best else None, std, value,
            study.count(), failed, study.command(),
        )  # fmt: skip


def _runs(root: Path, program: str) -> Iterator[Entry]:
    for folder, _ in find_runs(root):
        run = read_run(folder)
        status, again = run.status, ""
        if status in (UNFINISHED, "interrupted"):
            at_work = is_at_work(folder)
            status, again = ("running", "") if at_work else (status, resume_command(folder, program))
        spread = f" ± {run.std:.2g}" if run.std is not None else ""
        shown = f"{run.metric} {run.value:.4f}{spread}" if run.value is not None else ""
        state = status.replace("_", " ")
        yield Entry(
            folder, "run", status, state, read_remarks(folder), run.metric, run.value, run.std, shown, again=again
        )
