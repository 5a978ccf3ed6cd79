"""What a person wrote about a run or a study: its name, its note, its tags.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["Remarks", "read_remarks"]

_FILES = ("multirun.yaml", ".hydra/config.yaml")
_KEYS = ("name", "note", "tags")


@dataclass(frozen=True)
class Remarks:
    """What a person wrote.

    Args:
        name: of the run, or of a study's runs.
        note: free text.
        tags: words.
    """

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()


def read_remarks(folder: Path) -> Remarks:
    """Read what a person wrote about the run or study in a folder; nothing where its configuration cannot be read.

    Only the lines of these keys are looked at: a list of hundreds of runs should not wait for their whole
    configurations.
    """
    for name in _FILES:
        try:
            text = (folder / name).read_text(encoding="utf-8")
            content: Any = yaml.safe_load("\n".join(_lines_of(text)))
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue
        content = content if isinstance(content, dict) else {}
        tags = content.get("tags")
        return Remarks(
            name=_text(content.get("name")),
            note=_text(content.get("note")),
            tags=tuple(str(tag) for tag in tags if isinstance(tag, str | int | float))
            if isinstance(tags, list)
            else (),
        )
    return Remarks()


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _lines_of(text: str) -> Iterator[str]:
    """Yield the lines of the keys that are wanted, with those that belong to them."""
    wanted = False
    for line in text.splitlines():
        if line[:1] not in (" ", "-", "\t", "", "#"):
            wanted = line.partition(":")[0] in _KEYS
        if wanted:
            yield line
