"""`found.json`: what a run has found for itself before it was trained, and by what; it is found once.

This module must not import torch or Lightning.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lightune.errors import ConfigError, Problem, reason_of
from lightune.runtime.atomic_files import write_json

__all__ = ["FILE_NAME", "Found", "read_found", "write_found"]

FILE_NAME = "found.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Found:
    """One value that was looked for.

    Args:
        key: whose value it is, e.g. `optimizer.lr`.
        before: what the configuration says.
        value: what was found, and what the run has; as before where nothing was.
        why: why it is this one, in words.
        tried: the values that were tried.
        measured: what was measured at each.
        measure: what that is, e.g. `loss`.
    """

    key: str
    before: float
    value: float
    why: str
    tried: list[float]
    measured: list[float]
    measure: str


def write_found(run_dir: Path, found: Sequence[Found]) -> None:
    """Write what a run has found into its folder."""
    write_json(run_dir / FILE_NAME, {"schema": _SCHEMA, "found": [asdict(each) for each in found]})


def read_found(run_dir: Path, keys: Sequence[str]) -> list[Found]:
    """Read what a run has found.

    Args:
        run_dir: its folder.
        keys: that must have been found.

    Raises:
        ConfigError: if the file is missing or says something else: what is trained on would be another run.
    """
    file = run_dir / FILE_NAME
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise ValueError(f"schema {content['schema']}")
        found = [_checked(each) for each in content["found"]]
        if missing := set(keys) - {each.key for each in found}:
            raise ValueError(f"says nothing of {', '.join(sorted(missing))}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = f"is what this run found before it was trained, and cannot be read: {reason_of(error)}"
        raise ConfigError([Problem(str(file), f"{rule}; put it back, or train anew")]) from error
    return found


def _checked(content: Mapping[str, object]) -> Found:
    found = Found(**content)  # type: ignore[arg-type]
    if not isinstance(found.value, int | float) or isinstance(found.value, bool) or not found.value > 0:
        raise ValueError(f"{found.key} must be a number > 0, got {found.value!r}")
    return found
