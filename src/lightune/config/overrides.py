"""What is wrong with the words of a command, each tried by itself, all at once.

Hydra stops at the first override that it cannot read or apply, and advises a `+` that is refused afterwards. So
its refusals are made again here; what is left of a command when the wrong words are taken out can be judged in its
turn. This module must not import torch or Lightning.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice
from typing import Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override
from hydra.errors import CompactHydraException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from lightune.config.composing import UNREADABLE, Composing, unreadable_files
from lightune.config.override_syntax import syntax_problems
from lightune.config.override_text import value_text, values_of
from lightune.config.schema import GROUPS
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.unknown_keys import exists, options_with, unknown_key
from lightune.errors import Problem
from lightune.private_api.hydra import apply_overrides

__all__ = ["Words", "install_advice", "judged"]

_EXTRAS = {"ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers that come with an extra."""
_MOST_VALUES = 20  # of a sweep that are tried
_SPACE = "search.space."
_CHOOSING: dict[str, tuple[str, ...]] = {
    "data": ("loss", "metrics", "monitor", "model", "augmentation", "task"),
    "experiment": (*GROUPS, "monitor", "search"),
}
"""Groups whose options choose for other keys, too."""


@dataclass
class Words:
    """What became of the words of a command.

    Args:
        sound: those that can be composed, in their order; in a multirun sweeps are among them as they are.
        problems: what is wrong with the others.
        spoiled: groups of which an option was asked for that cannot be had.
    """

    sound: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)

    def sure(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return those problems of what is left that do not follow from an option that cannot be had."""
        doubtful = {each for group in self.spoiled for each in (group, *_CHOOSING.get(group, ()))}
        return [problem for problem in problems if problem.key.partition(".")[0] not in doubtful]


def judged(
    overrides: Sequence[str],
    files: Composing,
    *,
    quote: Callable[[str], str],
    sweeps: Literal["refused", "left", "tried"] = "refused",
) -> Words:
    """Try each word of a command by itself.

    Args:
        overrides: as typed.
        files: open for composing.
        quote: writes a word as whoever typed it has to type it.
        sweeps: what is done with words that have several values: refused, as in a run; left to whoever knows what
            jobs they stand for; or tried, each value by itself.
    """
    parsed: list[Override] = []
    unread: list[int] = []
    for place, text in enumerate(overrides):
        try:
            override = _parsed(text)
        except HydraException:
            unread.append(place)
        else:
            parsed += [override] if override.key_or_group else []
            unread += [] if override.key_or_group else [place]
    for place in unread:
        if (
            place and "=" not in overrides[place] and overrides[place - 1].endswith("=")
        ):  # its value, after a space
            parsed = [override for override in parsed if override.input_line != overrides[place - 1]]
    words = Words(problems=list(syntax_problems(overrides, unread, quote)))
    values: list[Override] = []
    swept: list[Override] = []
    for override in parsed:
        if override.is_sweep_override() and sweeps != "refused":
            swept.append(override)
        elif override.is_sweep_override():
            words.problems.append(Problem(override.key_or_group, _several(override, quote)))
        elif override.key_or_group == "hydra.searchpath":
            words.sound.append(_line(override))
        elif _is_choice(override, files):
            _choose(override, files, words)
        else:
            values.append(override)
    _set(values, files, words, quote)
    wrong = _wrong_sweeps(swept, files, words, quote) if sweeps == "tried" else {}
    words.problems += (problem for problems in wrong.values() for problem in problems)
    words.sound += [line for line in map(_line, swept) if line not in wrong]
    return words


def _line(override: Override) -> str:
    return str(override.input_line)


def _is_choice(override: Override, files: Composing) -> bool:
    """Return True if an override chooses an option; a mapping sets keys of the one that is chosen."""
    is_group = "/" in override.key_or_group or bool(files.options(override.key_or_group))
    return is_group and (override.is_delete() or not isinstance(override.value(), dict))


def _choose(override: Override, files: Composing, words: Words) -> None:
    """Try the choice of an option beside those that were made before."""
    group, value = override.key_or_group, override.value()
    try:
        names = value if isinstance(value, list) else [value]
        if not override.is_delete() and not all(isinstance(name, str) for name in names):
            options = ", ".join(files.options(group))
            raise ValueError(f"must be one of its options, got {show(value)} (there are {options})")
        files.compose([*words.sound, _line(override)])
    except MissingConfigException as missing:
        words.problems.append(_missing(group, str(value), missing))
    except HydraException as error:
        words.problems.append(Problem(group, _why_no_choice(override, files, words) or _in_hydras_words(error)))
    except UNREADABLE as error:
        words.problems += unreadable_files(files.folder, error)
    except ValueError as error:
        words.problems.append(Problem(group, str(error)))
    else:
        words.sound.append(_line(override))
        return
    words.spoiled.add(group)


def _why_no_choice(override: Override, files: Composing, words: Words) -> str:
    """Return why a group cannot have an option: the file has none, it has one already, or several are meant."""
    with suppress(HydraException):
        group, chosen = override.key_or_group, files.compose_whole(words.sound).hydra.runtime.choices
        if group not in chosen and files.options(group) and not override.is_add():
            return "has no option in this configuration to be changed, only keys: set those"
    plain = _line(override).lstrip("+")
    try:
        files.compose([*words.sound, plain])
    except HydraException:
        only = override.value() if isinstance(override.value(), list) else []
        return f"takes one option, got {show(only)}" if only else ""
    return f"has an option already: write {plain}" if override.is_add() else ""


def _missing(group: str, option: str, error: MissingConfigException) -> Problem:
    """Return what is wrong with a choice, or with what the chosen file chooses in its turn."""
    inner, _, named = (error.missing_cfg_file or "").rpartition("/")
    options = error.options or []
    if inner and inner != group and option not in options:
        return Problem(group, f"{option} chooses {inner}={named}; {_no_option(inner, named, options)}")
    return Problem(group, _no_option(group, option, options))


def _no_option(group: str, option: str, options: Sequence[str]) -> str:
    if advice := install_advice(group, option):
        return f"{option} is not installed; {advice}"
    hint = did_you_mean(option, options) or did_you_mean(option.lower(), options)
    return f"{group} has no option {option}{';' + hint if hint else ''} (there are {', '.join(options)})"


def install_advice(group: str, option: str) -> str:
    """Return how to install what an option of a group needs; nothing if it comes with no extra."""
    extra = _EXTRAS.get(option) if group == "hydra/launcher" else None
    return f"install it with: pip install 'lightune[{extra}]'" if extra else ""


def _in_hydras_words(error: Exception) -> str:
    """Return what Hydra says of an override, as one line."""
    said = [str(error)]
    if isinstance(error, CompactHydraException) and error.__cause__ is not None:
        said.append(str(error.__cause__))
    return "; ".join(line.strip() for text in said for line in text.splitlines()[:1] if line.strip())


def _several(override: Override, quote: Callable[[str], str]) -> str:
    value = _line(override).partition("=")[2]
    rule = f"has several values, and a run has one, got {value}; add --multirun (-m) to try each"
    if not isinstance(override.value(), ChoiceSweep) or "(" in value:
        return rule
    return f"{rule}, or write {quote(f'{override.get_key_element()}=[{value}]')} for a list"


def _set(values: Sequence[Override], files: Composing, words: Words, quote: Callable[[str], str]) -> None:
    """Set values one after the other; what cannot be set is left out of what is sound."""
    cfg = files.compose_whole(words.sound)
    known = cache(partial(options_with, files))
    for override in values:
        problems = list(_value_problems(override, cfg, known, quote))
        words.problems += words.sure(problems)
        if not problems:
            words.sound.append(_line(override))


def _value_problems(
    override: Override, cfg: DictConfig, known: Callable[[str], dict[str, set[str]]], quote: Callable[[str], str]
) -> Iterator[Problem]:
    """Yield why a value cannot be set in a configuration; where it can, it is set."""
    key, line = override.key_or_group, _line(override)
    if override.is_add() and not override.is_force_add() and exists(cfg, key):
        yield Problem(key, f"exists already: write {quote(line.lstrip('+'))}")
        return
    if override.is_delete() and not exists(cfg, key):
        yield Problem(key, f"cannot be removed: it {unknown_key(key, '', cfg, known)}")
        return
    if not (override.is_add() or override.is_force_add() or override.is_delete()):
        missing = [(each, text) for each, text in _keys_set(override) if not exists(cfg, each)]
        if missing and _fills(override, cfg):
            missing = []
        if any(each.startswith(_SPACE) for each, _ in missing):
            advice = f"write {quote(f'++{line}')}"
            yield Problem(_SPACE.rstrip("."), f"is empty in the YAML, and keys are added to it: {advice}")
            return
        yield from (Problem(each, unknown_key(each, text, cfg, known, quote)) for each, text in missing)
        if missing:
            return
    try:
        apply_overrides([override], cfg)
    except HydraException as error:
        yield Problem(key, _in_hydras_words(error))


def _fills(override: Override, cfg: DictConfig) -> bool:
    """Return True if an override puts parts, which have a `_target_`, where null stands."""
    value, key = override.value(), override.key_or_group
    parts = isinstance(value, dict) and any(each.endswith("._target_") for each, _ in _keys_set(override))
    return parts and exists(cfg, key) and OmegaConf.select(cfg, key, throw_on_resolution_failure=False) is None


def _wrong_sweeps(
    swept: Sequence[Override], files: Composing, words: Words, quote: Callable[[str], str]
) -> dict[str, list[Problem]]:
    """Return the sweeps with values that a job cannot have, beside each option that another sweep chooses."""
    wrong: dict[str, list[Problem]] = {}
    bases: list[list[str]] = []
    each = {_line(override): list(map(_parsed, _lines_of(override, files))) for override in swept}
    for line, values in each.items():
        for value in values if _is_choice(values[0], files) else ():
            tried = Words(sound=list(words.sound))
            _choose(value, files, tried)
            wrong.setdefault(line, []).extend(tried.problems)
            bases += [] if tried.problems else [tried.sound]
    known = cache(partial(options_with, files))
    for base in bases or [words.sound]:
        cfg = files.compose_whole(base)
        for line, values in each.items():
            for value in () if _is_choice(values[0], files) else values:
                found = _value_problems(value, copy.deepcopy(cfg), known, quote)
                wrong.setdefault(line, []).extend(words.sure(found))
    return {line: problems for line, problems in wrong.items() if problems}


def _parsed(line: str) -> Override:
    return OverridesParser.create().parse_override(line)


def _lines_of(override: Override, files: Composing) -> list[str]:
    """Return an override for each value of a sweep, up to some; for the first of an interval."""
    key, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, IntervalSweep):
        return [f"{key}={sweep.start}"]
    override.config_loader = files.loader
    return [f"{key}={text}" for text in islice(override.sweep_string_iterator(), _MOST_VALUES)]


def _keys_set(override: Override) -> dict[tuple[str, str], None]:
    """Return the keys that an override sets, those in its mappings one by one, with the texts of their values."""
    value = override.value()
    if not isinstance(value, dict):
        return {(override.key_or_group, _line(override).partition("=")[2]): None}
    inner = values_of(override.key_or_group, value_text(value))
    return {(key, value_text(one)): None for key, one in inner.items()}
