"""`data.json`: what a run was trained on, and whether that is still what it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from rich.console import Console

from lightune.data import InMemoryData
from lightune.errors import ConfigError, Problem
from lightune.paths import DATA_FILE, typed_override
from lightune.reporting.summary import print_pairs
from lightune.runtime.atomic_files import write_json
from lightune.wording import counted

__all__ = ["DATA_FILE", "record_data", "require_same_data", "show_data"]


_SAID_WHERE = ("image", "audio")  # kinds whose samples are large


def record_data(folder: Path, data: LightningDataModule) -> None:
    """Write what is known of the samples: how many, what each column is, what was found, and digests of the parts.

    Args:
        folder: of the run.
        data: divided; data that divide themselves leave no file.
    """
    if isinstance(data, InMemoryData):
        samples = data.samples
        content = {
            "schema_version": 1,
            "rows": len(samples.targets),
            "fingerprint": data.fingerprint(),
            "parts": {part: {"rows": rows, "digest": digest} for part, (rows, digest) in data.digests().items()},
            "samples": dict(samples.schema),
            "positive": _positive(data),
            "report": [list(line) for line in _found(data)],
        }
        write_json(folder / DATA_FILE, content)
        data.settled()


def require_same_data(folder: Path, data: LightningDataModule) -> None:
    """Refuse data that are not those that a run was trained on.

    Args:
        folder: of the run; one that was begun before `data.json` was written is not judged.
        data: divided as for the run's first fit.

    Raises:
        ConfigError: saying what has changed.
    """
    file = folder / DATA_FILE
    if not isinstance(data, InMemoryData) or not file.is_file():
        return
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        if before["fingerprint"] == data.fingerprint():
            return
        changes = list(_changes(before, data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError([Problem(str(file), f"cannot be read ({error})")]) from error
    rule = f"are not what the run was trained on: {'; '.join(changes)}"
    raise ConfigError([Problem("data", f"{rule}; put the former data back, or train anew")])


def _changes(before: dict[str, Any], data: InMemoryData) -> Iterator[str]:
    rows = len(data.samples.targets)
    if rows != before["rows"]:
        yield f"{counted(before['rows'], 'row')} then, {rows:,} now, which divides them differently"
    digests = data.digests()
    changed = [part for part, known in before["parts"].items() if digests[part][1] != known["digest"]]
    yield (
        f"the {_listed(changed)} part{'s have' if len(changed) > 1 else ' has'} other rows"
        if changed
        else "other rows"
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _positive(data: InMemoryData) -> str | None:
    """Return the name of the class that the figures of two classes are about; None of others."""
    classes = data.samples.schema.get("classes", ())
    return str(classes[1]) if len(classes) == 2 else None


def _found(data: InMemoryData) -> Iterator[tuple[str, str]]:
    """Yield what a person should know of the samples, one (subject, remark) a line."""
    yield from data.samples.report
    if positive := _positive(data):
        other = data.samples.schema["classes"][0]
        advice = f"; {typed_override('data.pos_label', other)} for the other" if hasattr(data, "pos_label") else ""
        measures = "precision, recall, F1, AUC and --threshold are about it"
        yield "positive", f"{positive}, and not {other}: {measures}{advice}"
    yield from data.questions()


def show_data(data: LightningDataModule, console: Console, device: torch.device) -> None:
    """Print what was found in the samples, in a short table; nothing where there is nothing to say.

    Args:
        data: divided.
        console: printed to.
        device: where they are computed on.
    """
    if not isinstance(data, InMemoryData):
        return
    found = list(_found(data))
    if data.kind in _SAID_WHERE:
        found.insert(0, ("samples", data.whereabouts(device)))
    if found:
        print_pairs(found, console)
        console.print()
