"""Which words of the command that began a study may be typed again, and the command that goes on with it.

The folder may be somebody else's, and whoever types a command vouches for more than files may say
(`docs/security.md`): what would have to be vouched for is not repeated.

This module must not import Optuna, torch or Lightning.
"""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from lightune.config.override_text import bare_key
from lightune.paths import FROM, expanded, shown_path, typed_override
from lightune.runtime.plain_text import visible
from lightune.study.definition.identity import study_name
from lightune.study.definition.spec import Spec, own_program

__all__ = ["THE_COMMAND", "Words", "command_line", "command_to_go_on", "needs_vouching", "words_of"]

THE_COMMAND = "the command that began it"
"""What is said in the place of a command that cannot be repeated in full."""

_MULTIRUN = "multirun.yaml"
_MAIN, _ROOT, _ROOT_KEY = "train", "outputs", "output_root"
_OF_THE_FOLDER = ("hydra.sweep.dir=", "hydra.mode=")
_HYDRA, _SWEEPER = "hydra", "hydra.sweeper"
_TOTALS = ("search.n_trials", "hydra.sweeper.n_trials")
_HIDDEN = "***"
_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError, HydraException
)  # fmt: skip


@dataclass(frozen=True)
class Words:
    """What the command said that began a study, or went on with it last.

    Args:
        flags: that name files of the user's own.
        overrides: that may be typed again, those of Hydra first.
        withheld: keys of the others, for which only whoever types them can vouch.
        root: what `output_root` was.
    """

    flags: tuple[str, ...]
    overrides: tuple[str, ...]
    withheld: tuple[str, ...]
    root: str


def words_of(folder: Path, spec: Spec) -> Words | None:
    """Return the words of a study's command; None if they cannot be told, or it was no program of lightune's.

    Args:
        folder: the study's.
        spec: what it says of itself.
    """
    if own_program(spec.program) is None:
        return None
    with suppress(*_UNREADABLE):
        hydra = yaml.safe_load((folder / _MULTIRUN).read_text(encoding="utf-8"))["hydra"]
        flags, typed = tuple(_flags(spec, hydra)), hydra["overrides"]
        lines = [line for line in [*typed["hydra"], *typed["task"]] if not line.startswith(_OF_THE_FOLDER)]
        kept, withheld, root = [], [], _ROOT
        for line, override in zip(lines, OverridesParser.create().parse_overrides(lines), strict=True):
            key = override.key_or_group
            if key == _ROOT_KEY:
                root = expanded(str(override.value()))
            elsewhere = key == _ROOT_KEY and not _holds(root, folder)
            if elsewhere or _is_withheld(override, line):
                withheld.append(visible(key))
            else:
                kept.append(line)
        return Words(flags, tuple(kept), tuple(withheld), root)
    return None


def needs_vouching(line: str) -> bool:
    """Return whether an override is not to be repeated from files: only whoever types it can vouch for it.

    Args:
        line: as it is typed.
    """
    try:
        override = OverridesParser.create().parse_override(line)
    except (HydraException, ValueError):
        return True
    return override.key_or_group == _ROOT_KEY or _is_withheld(override, line)


def command_to_go_on(folder: Path, spec: Spec, n_trials: int | None = None) -> str | None:
    """Return the line to type; None where it cannot be repeated in full.

    Args:
        folder: the study's.
        spec: what it says of itself.
        n_trials: how many trials it is to have; as many as it was last asked for by default.
    """
    words = words_of(folder, spec)
    if words is None or words.withheld or not _holds(words.root, folder):
        return None
    lines = _with_total(words.overrides, n_trials or spec.n_trials, is_said=n_trials is not None)
    if f"search.study={folder.name}" not in lines and not _is_named_by(spec, folder):
        lines += shlex.split(typed_override("hydra.sweep.dir", shown_path(folder)))
    return command_line(spec, words, lines)


def command_line(spec: Spec, words: Words, overrides: Iterable[str]) -> str:
    """Return a line to type that begins as a study's own does.

    Args:
        spec: what the study says of itself.
        words: of its command.
        overrides: of the line.
    """
    program = own_program(spec.program)
    assert program is not None
    return " ".join([program, "-m", *map(shlex.quote, [*words.flags, *overrides])])


def _flags(spec: Spec, hydra: dict[str, Any]) -> Iterator[str]:
    """Yield the flags that name files: the user's own options, or where they are gone, those that the study keeps.

    Raises:
        ValueError: if one cannot be told.
    """
    if (name := hydra["job"]["config_name"]) == FROM:
        return  # the override says it all
    folders = [each["path"] for each in hydra["runtime"]["config_sources"] if each["provider"] == "command-line"]
    if len(folders) > 1:
        raise ValueError(f"{folders} are no folder of options")
    if folders:
        known = [Path(path) for path in (spec.config_dir, *folders) if path is not None and Path(path).is_dir()]
        yield from ("--config-dir", _shown(shown_path(known[0])))
    if name != _MAIN:
        yield from ("--config-name", _shown(str(name)))


def _shown(text: str) -> str:
    """Return a text as it is.

    Raises:
        ValueError: if a terminal would obey a part of it.
    """
    if visible(text) != text:
        raise ValueError(f"{visible(text)} has control codes")
    return text


def _is_withheld(override: Override, line: str) -> bool:
    keys = [key for key in (override.key_or_group, override.package) if key is not None]
    in_hydra = any(key == _HYDRA or key.startswith(f"{_HYDRA}.") for key in keys)
    in_sweeper = all(key == _SWEEPER or key.startswith(f"{_SWEEPER}.") for key in keys)
    return (in_hydra and not in_sweeper) or _HIDDEN in line or visible(line) != line


def _is_named_by(spec: Spec, folder: Path) -> bool:
    """Return whether a study's folder has the name that its command alone gives."""
    with suppress(*_UNREADABLE):
        return folder.name.endswith(f"_{study_name('', spec.identity).rpartition('_')[2]}")
    return False


def _holds(root: str, folder: Path) -> bool:
    return folder.parent.resolve() == Path(root, "studies").resolve()


def _with_total(lines: Iterable[str], total: int | None, *, is_said: bool) -> list[str]:
    """Return overrides with a number of trials: it is added where it is said, and else replaced at most."""
    found, changed = False, []
    for line in lines:
        key = line.partition("=")[0]
        is_total = bare_key(key) in _TOTALS and total is not None
        found |= is_total
        changed.append(f"{key}={total}" if is_total else line)
    return changed if found or not is_said else [*changed, f"{_TOTALS[0]}={total}"]
