"""What must hold of a study whatever has happened to it."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import torch
from optuna.trial import FrozenTrial, TrialState

from soak.subject import FINAL, Command, DidNotHappenError, Subject, digests

__all__ = ["Ledger", "after_a_command", "at_the_end"]

_STATES = {
    TrialState.COMPLETE: ("completed", "early_stopped"),
    TrialState.PRUNED: ("pruned",),
    TrialState.FAIL: ("failed",),
}
_KEPT = re.compile(r"journal\.log\.damaged-.*")
_LITTER = ("*.tmp", ".lock")
_USUAL = {
    ".journal.log.lock",
    ".leases",
    ".study.lock",
    "analysis.json",
    "best.yaml",
    "conf",
    "journal.log",
    "multirun.yaml",
    "provenance",
    "report.html",
    "study.json",
    "trials",
    "trials.csv",
}


@dataclass
class Ledger:
    """What is known of a study from before.

    Args:
        finished: folder of a finished trial → path → hash of each of its files.
        damaged: folder of a trial → the files of it that a fault has altered or removed.
        figures: point → objective of the same study left alone; None if it was not run.
    """

    finished: dict[Path, dict[str, str]] = field(default_factory=dict)
    damaged: dict[Path, set[str]] = field(default_factory=dict)
    figures: dict[tuple[tuple[str, object], ...], float] | None = None

    def take_in(self, subject: Subject) -> None:
        """Note the files of the trials that are finished by now."""
        for folder in subject.finished_folders():
            self.finished.setdefault(folder, digests(folder))

    def damage(self, subject: Subject, path: Path) -> None:
        """Note that a fault is about to alter a file, or all files of a folder."""
        for folder in subject.trial_folders():
            if path == folder:
                self.damaged.setdefault(folder, set()).add("*")
            elif path.is_relative_to(folder):
                self.damaged.setdefault(folder, set()).add(str(path.relative_to(folder)))

    def is_damaged(self, folder: Path, name: str) -> bool:
        """Return True if a fault has altered a file of a trial, or a folder that it lies in."""
        damaged = self.damaged.get(folder, set())
        return "*" in damaged or any(name == each or name.startswith(f"{each}/") for each in damaged)


def after_a_command(
    subject: Subject, command: Command, code: int, allowed: set[int], ledger: Ledger
) -> Iterator[str]:
    """Yield what does not hold after the command has ended, in whatever way.

    Args:
        subject: the study.
        command: that has ended.
        code: its exit code.
        allowed: those that it may have after what was done to it.
        ledger: what is known from before.
    """
    said = command.said
    if code not in allowed:
        yield f"exit code {code}, and not one of {sorted(allowed)}:\n{_tail(said)}"
    if "Traceback (most recent call last)" in said:
        yield f"a traceback, which ends in: {_ends_of_tracebacks(said)}"
    if code in (1, 2) and not said.strip():
        yield f"exit code {code} without a reason"
    try:
        subject.wait_for(lambda: not subject.processes(), seconds=20.0)
    except DidNotHappenError:
        yield f"processes that go on: {subject.processes()}"
    yield from _unchanged(ledger)
    trials = subject.trials()
    if len(trials) > subject.kind.n_trials:
        yield f"{len(trials)} trials instead of {subject.kind.n_trials}"
    for trial, count in subject.closings().items() if trials else ():
        if count > 1:
            yield f"trial {trial} ended {count} times"


def _unchanged(ledger: Ledger) -> Iterator[str]:
    for folder, before in ledger.finished.items():
        if "*" in ledger.damaged.get(folder, ()):
            continue
        now = digests(folder)
        for name in sorted(before.keys() | now.keys()):
            if _is_stripped(folder, name):
                continue
            if before.get(name) != now.get(name) and not ledger.is_damaged(folder, name):
                what = "is gone" if name not in now else "is new" if name not in before else "was changed"
                yield f"trials/{folder.name} was finished, and its {name} {what}"


def _is_stripped(folder: Path, name: str) -> bool:
    """Return True if a file is a checkpoint that the study has removed, as `search.keep_checkpoints` says."""
    home = (folder / name).parent
    return home.name == "checkpoints" and (home / "removed.txt").is_file()


def at_the_end(subject: Subject, ledger: Ledger) -> Iterator[str]:
    """Yield what does not hold of a study that has come to its end."""
    trials = subject.trials()
    ended = [trial for trial in trials if trial.state.is_finished()]
    if len(trials) != subject.kind.n_trials or len(ended) != len(trials):
        states = [trial.state.name for trial in trials]
        yield f"{len(ended)} finished trials instead of {subject.kind.n_trials}: {states}"
    rows = _rows(subject)
    if len(rows) != len(trials):
        yield f"trials.csv has {len(rows)} rows for {len(trials)} trials"
    for trial in trials:
        yield from _agrees(subject, trial, rows.get(str(trial.number)), ledger)
    yield from _best(subject, ended)
    yield from _litter(subject)
    if ledger.figures is not None:
        yield from _same_figures(ended, ledger.figures)


def _rows(subject: Subject) -> dict[str, dict[str, str]]:
    try:
        with (subject.study / "trials.csv").open(newline="") as file:
            return {row["number"]: row for row in csv.DictReader(file)}
    except OSError:
        return {}


def _agrees(subject: Subject, trial: FrozenTrial, row: dict[str, str] | None, ledger: Ledger) -> Iterator[str]:
    """Compare storage, `trials.csv`, `result.json` and checkpoints of one trial."""
    name = f"trial {trial.number}"
    value = trial.value if trial.state == TrialState.COMPLETE else None
    if row is None:
        yield f"{name} is not in trials.csv"
        return
    if row["state"] not in _STATES.get(trial.state, ()):
        yield f"{name} is {trial.state.name} in the storage and {row['state']} in trials.csv"
    if (float(row["val/accuracy"]) if row["val/accuracy"] else None) != value:
        yield f"{name} has {value} in the storage and {row['val/accuracy']} in trials.csv"
    folder = subject.study / "trials" / str(trial.number)
    result = subject.result(folder)
    if ledger.is_damaged(folder, "result.json") and result is None:
        return
    if result is None:
        yield f"{name} is {trial.state.name} in the storage, and its folder has no result.json"
        return
    if result["status"] not in FINAL or result["status"] != row["state"]:
        yield f"{name} is {row['state']} in trials.csv and {result['status']} in result.json"
    written = (result.get("objective") or {}).get("value")
    if value is not None and "objective" in result and written != value:
        yield f"{name} has {value} in the storage and {written} in result.json"
    if value is not None:
        yield from _checkpoints(folder, ledger)


def _checkpoints(folder: Path, ledger: Ledger) -> Iterator[str]:
    found = sorted(folder.rglob("*.ckpt"))
    if not found and not ledger.damaged.get(folder) and not any(folder.rglob("checkpoints/removed.txt")):
        yield f"{folder.name} has no checkpoint"
    for path in found:
        if ledger.is_damaged(folder, str(path.relative_to(folder))):
            continue
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            assert content["state_dict"]
        except Exception as error:  # noqa: BLE001 - whatever it says, it cannot be loaded
            yield f"{path.relative_to(folder.parent)} cannot be loaded: {str(error).splitlines()[:1]}"


def _best(subject: Subject, ended: list[FrozenTrial]) -> Iterator[str]:
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    if not complete:
        return
    points: dict[tuple[tuple[str, object], ...], list[float]] = {}
    for trial in complete:
        points.setdefault(_without_seed(trial), []).append(trial.value or 0.0)
    most = max(map(len, points.values()))  # a point that lacks a seed is no candidate
    best = max(fmean(values) for values in points.values() if len(values) == most)
    try:
        head = (subject.study / "best.yaml").read_text()
    except OSError:
        yield "best.yaml is missing"
        return
    number = re.match(r"# Trial (\d+) of the study", head)
    chosen = [trial for trial in complete if number and trial.number == int(number[1])]
    for trial in chosen:
        if any((subject.study / "trials" / str(trial.number)).rglob("checkpoints/removed.txt")):
            yield f"the checkpoints of trial {trial.number}, which is the best, were removed"
    if not chosen or fmean(points[_without_seed(chosen[0])]) != best:
        yield f"best.yaml names trial {number and number[1]}, and the best value is {best}"


def _litter(subject: Subject) -> Iterator[str]:
    found = {path for pattern in _LITTER for path in subject.root.rglob(pattern)}
    found.update((subject.study / ".leases").glob("*"), (subject.study / ".claims").glob("*"))
    found.update(
        path for path in subject.study.iterdir() if path.name not in _USUAL and not _KEPT.fullmatch(path.name)
    )
    for path in sorted(found):
        yield f"left over: {path.relative_to(subject.root)}"
    for path in sorted(subject.temporary.iterdir()):
        yield f"left over in TMPDIR: {path.name}"


def point_of(trial: FrozenTrial) -> tuple[tuple[str, object], ...]:
    """Return a trial's point, which is the same in a study left alone."""
    return tuple(sorted(trial.params.items()))


def _without_seed(trial: FrozenTrial) -> tuple[tuple[str, object], ...]:
    """Return a trial's point but for its seed, which is a repeat of it; a study without seeds has trials apart."""
    seeded = "seed" in trial.params
    return tuple(each for each in point_of(trial) if each[0] != "seed") if seeded else (("trial", trial.number),)


def _same_figures(ended: list[FrozenTrial], figures: dict[tuple[tuple[str, object], ...], float]) -> Iterator[str]:
    for trial in ended:
        known = figures.get(point_of(trial))
        if trial.state == TrialState.COMPLETE and known is not None and trial.value != known:
            yield f"trial {trial.number} has {trial.value}, and in the study left alone {known}"


def _tail(text: str) -> str:
    return "\n".join(f"        | {line}" for line in text.splitlines()[-5:])


def _ends_of_tracebacks(text: str) -> str:
    """Return the last place in a file and the first line behind it, of each traceback."""
    found, place = [], ""
    for line in text.splitlines():
        if line.startswith("  File "):
            place = line.strip()
        elif place and line[:1].strip():
            found.append(f"{place}: {line}")
            place = ""
    return "; ".join(found)
