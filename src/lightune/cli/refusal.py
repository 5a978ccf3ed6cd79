"""What is wrong with a command that Hydra cannot compose, key by key, all at once.

Hydra stops at the first override that it cannot read or apply, and advises a `+` that is refused afterwards. So
its refusals are made again here: each override is tried by itself. What is left (a broken YAML file, say) is said
in Hydra's words. This module must not import torch or Lightning.
"""

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import CompactHydraException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.compose import Composing, composing
from lightune.config.schema import GROUPS, GUIDE
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.static.signatures import TargetNotFoundError, UnreadableTargetError, describe
from lightune.config.suggestions import leaves_of, similar_keys
from lightune.errors import ConfigError, Problem
from lightune.paths import conf_dir
from lightune.study.space.assignments import values_of
from lightune.study.space.keys import no_mapping
from lightune.study.space.syntax import value_text

__all__ = ["words_of"]

_EXTRAS = {"ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers that come with an extra."""
_WITH_VALUE = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p"}
_CALL = re.compile(r"([A-Za-z_]\w*)\(")
_FUNCTIONS = (
    "choice",
    "range",
    "interval",
    "glob",
    "shuffle",
    "sort",
    "tag",
    "int",
    "float",
    "str",
    "bool",
    "json_str",
)
_SPACE = "search.space."
_CLOSING = {"[": "]", "{": "}", "(": ")"}


def words_of(error: Exception, arguments: Sequence[str] | None = None) -> str:
    """Return what is wrong with the command that ended in an error.

    Args:
        error: as Hydra raised it.
        arguments: the words after the program's name; this process's own by default.
    """
    if isinstance(error, HydraException | ValueError):
        command = _Command.of(_given(arguments))
        with suppress(HydraException, OmegaConfBaseException, ValueError):  # the command is not what is wrong
            if problems := list(dict.fromkeys(_problems(command))):
                return str(ConfigError(problems))
    if isinstance(error, UnicodeError) and (problems := list(_unreadable_files(_Command.of(_given(arguments))))):
        return str(ConfigError(problems))
    lines = [str(error)]
    if isinstance(error, CompactHydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        lines.append(str(error.__cause__))
    return "\n".join([*lines, *_hints(error)])


def _given(arguments: Sequence[str] | None) -> Sequence[str]:
    return sys.argv[1:] if arguments is None else arguments


def _hints(error: Exception) -> Iterator[str]:
    if not isinstance(error, MissingConfigException) or not error.missing_cfg_file:
        return
    group, _, option = error.missing_cfg_file.rpartition("/")
    if hint := _install(group, option) or did_you_mean(option, error.options or ()).strip():
        yield hint


def _install(group: str, option: str) -> str:
    extra = _EXTRAS.get(option) if group == "hydra/launcher" else None
    return f"install it with: pip install 'lightune[{extra}]'" if extra else ""


@dataclass(frozen=True)
class _Command:
    """A command line in its parts.

    Args:
        overrides: the words that are no flags.
        config_dir: of `--config-dir`.
        config_name: of `--config-name`.
    """

    overrides: tuple[str, ...]
    config_dir: str | None = None
    config_name: str | None = None

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "_Command":
        overrides: list[str] = []
        flags: dict[str, str] = {}
        words = iter(arguments)
        for word in words:
            name, given, value = word.partition("=")
            if name in _WITH_VALUE:
                flags[name] = value if given else next(words, "")
            elif not word.startswith("-"):
                overrides.append(word)
        return cls(
            tuple(overrides),
            flags.get("--config-dir", flags.get("-cd")),
            flags.get("--config-name", flags.get("-cn")),
        )


def _problems(command: _Command) -> Iterator[Problem]:
    """Yield what is wrong with the overrides of a command, each tried by itself."""
    parsed: list[Override] = []
    unread: list[int] = []
    for place, text in enumerate(command.overrides):
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            unread.append(place)
        else:
            parsed += [override] if override.key_or_group else []
            unread += [] if override.key_or_group else [place]
    yield from _syntax_problems(command.overrides, unread)
    if command.config_dir is not None and not Path(command.config_dir).is_dir():
        yield Problem("--config-dir", f"there is no folder {Path(command.config_dir).absolute()}")
        return
    if command.config_name not in (None, "train"):
        return
    with composing(command.config_dir) as files:
        chosen: list[str] = []
        values: list[Override] = []
        for override in parsed:
            if override.key_or_group == "hydra.searchpath":
                chosen.append(str(override.input_line))
            elif not files.loader.get_group_options(override.key_or_group):
                values.append(override)
            elif isinstance(override.value(), str):
                try:
                    files.compose([*chosen, str(override.input_line)])
                except MissingConfigException as missing:
                    yield _option_problem(override, missing.options or [])
                except HydraException:
                    continue  # an option that does not fit the others, which Hydra says better
                else:
                    chosen.append(str(override.input_line))
            elif isinstance(value := override.value(), int | float | None):
                options = ", ".join(files.loader.get_group_options(override.key_or_group))
                rule = f"must be one of its options, got {show(value)} (there are {options})"
                yield Problem(override.key_or_group, rule)
            elif not override.is_delete():
                values.append(override)
        yield from _key_problems(values, files.compose(chosen), files)


def _option_problem(override: Override, options: Sequence[str]) -> Problem:
    group, option = override.key_or_group, str(override.value())
    if advice := _install(group, option):
        return Problem(group, f"{option} is not installed; {advice}")
    hint = did_you_mean(option, options) or did_you_mean(option.lower(), options)
    return Problem(
        group, f"{group} has no option {option}{';' + hint if hint else ''} (there are {', '.join(options)})"
    )


def _key_problems(values: Sequence[Override], cfg: DictConfig, files: Composing) -> Iterator[Problem]:
    """Yield the keys that the composed configuration does not have."""
    added: set[str] = set()
    options_with = cache(partial(_options_with, files))
    for override in values:
        if override.is_add() or override.is_force_add():
            added.add(override.key_or_group)
        elif not override.is_hydra_override():
            for key, text in _keys_set(override):
                if key.startswith(_SPACE) and override.key_or_group not in added:
                    advice = f"write {shlex.quote(f'++{override.input_line}')}"
                    yield Problem(_SPACE.rstrip("."), f"is empty in the YAML, and keys are added to it: {advice}")
                    break
                if key not in added and not _exists(cfg, key):
                    yield Problem(key, _unknown(key, text, cfg, options_with))


def _keys_set(override: Override) -> dict[tuple[str, str], None]:
    """Return the keys that an override sets, those in its mappings one by one, with the texts of their values."""
    value = override.value()
    each = value.list if isinstance(value, ChoiceSweep) else [value]
    if not any(isinstance(one, dict) for one in each):
        return {(override.key_or_group, str(override.input_line).partition("=")[2]): None}
    inner = [values_of(override.key_or_group, value_text(one)) for one in each if isinstance(one, dict)]
    return {(key, value_text(one)): None for mapping in inner for key, one in mapping.items()}


def _exists(cfg: DictConfig, key: str) -> bool:
    parent, _, last = key.rpartition(".")
    if parent and not _exists(cfg, parent):
        return False
    node: Any = OmegaConf.select(cfg, parent) if parent else cfg
    if isinstance(node, DictConfig):
        return last in node or "[" in key
    return node is not None


def _unknown(key: str, value: str, cfg: DictConfig, options_with: Callable[[str], dict[str, set[str]]]) -> str:
    """Say that a key does not exist, and what may have been meant."""
    parent, _, last = key.rpartition(".")
    node: Any = OmegaConf.select(cfg, parent) if parent else None
    if node is None and parent and _exists(cfg, parent):
        return no_mapping(parent)
    if isinstance(node, DictConfig) and (taker := _takes(node, last)):
        return f"is no key of the YAML, and {taker} takes it: write +{key}={value}"
    if having := [option for option, keys in options_with(parent).items() if last in keys]:
        has = "have" if having[1:] else "has"
        return f"is no key of the chosen {parent}; {parent}={' and '.join(having)} {has} it"
    if near := similar_keys(key, leaves_of(cfg)):
        return f"does not exist; did you mean {' or '.join(map(repr, near))}?"
    keys = [str(each) for each in (node if isinstance(node, DictConfig) else cfg) if not str(each).startswith("_")]
    guide = f"; parts of your own: {GUIDE}" if parent in GROUPS else ""
    return f"does not exist ({parent or 'the root'} has {', '.join(keys)}){guide}"


def _takes(node: DictConfig, argument: str) -> str | None:
    """Return the name of what a node is built with, if that takes an argument by this name."""
    target = node.get("_target_")
    with suppress(TargetNotFoundError, UnreadableTargetError):
        described = describe(target) if isinstance(target, str) else None
        if described is not None and argument in described.parameters:
            return described.name
    return None


def _options_with(files: Composing, group: str) -> dict[str, set[str]]:
    """Return the keys of each option of a group, as its file has them.

    Files that choose options of other groups, too, can only be read as part of the whole configuration.
    """
    keys: dict[str, set[str]] = {}
    for option in files.loader.get_group_options(group):
        with suppress(HydraException, OmegaConfBaseException, OSError):
            try:
                found = files.loader.load_configuration(f"{group}/{option}", overrides=[], run_mode=RunMode.RUN)
            except HydraException:
                found = files.compose([f"{group}={option}"])
            keys[option] = set(leaves_of(OmegaConf.select(found, group)))
    return keys


def _syntax_problems(words: Sequence[str], unread: Sequence[int]) -> Iterator[Problem]:
    """Say how to write what Hydra's grammar cannot read; words that belong together are taken together."""
    places = iter(unread)
    for place in places:
        word = words[place]
        key, has_value, value = word.partition("=")
        following = words[place + 1 :]
        if not has_value and following[:1] and following[0].startswith("="):  # key = value, or key =value
            rest = [following[0].removeprefix("="), *following[1:]]
            joined = f"{key}={next((part for part in rest if part), '')}"
            for _ in range(1 if following[0] != "=" else 2):
                next(places, None)
            yield Problem(key, f"a value follows its key without a space: {shlex.quote(joined)}")
        elif not has_value and place and words[place - 1].endswith("="):  # key= value
            key = words[place - 1].removesuffix("=")
            yield Problem(key, f"a value follows its key without a space: {shlex.quote(f'{key}={word}')}")
        elif not has_value:
            yield Problem(word, f"must be KEY=VALUE, got {word}")
        elif (
            (call := _CALL.match(value))
            and call[1] not in _FUNCTIONS
            and (hint := did_you_mean(call[1], _FUNCTIONS))
        ):
            yield Problem(key, f"{call[1]}(…) is no function of a sweep;{hint}")
        elif value[:1] in "[{(" and value.count(value[0]) != value.count(_CLOSING[value[0]]):
            whole = _until_closed(word, following)
            if whole == word:
                yield Problem(key, f"a bracket is not closed; if it is text: {_as_text(key, value)}")
                continue
            for _ in whole[len(word) :].split():
                next(places, None)
            yield Problem(key, f"a value with spaces is quoted as a whole: {shlex.quote(whole)}")
        else:
            yield Problem(key, f"a value with special characters is quoted twice: {_as_text(key, value)}")


def _as_text(key: str, value: str) -> str:
    """Return an override as a shell takes it whose value is this text."""
    return shlex.quote(f"{key}={QuotedString(value, Quote.double).with_quotes()}")


def _unreadable_files(command: _Command) -> Iterator[Problem]:
    """Yield the YAML files that are not in UTF-8, which Hydra does not name."""
    folders = [conf_dir(), *([Path(command.config_dir)] if command.config_dir else [])]
    for file in sorted(path for folder in folders for path in folder.rglob("*.yaml")):
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            rule = f"is not UTF-8 text (byte {error.start} is {error.object[error.start]:#04x})"
            yield Problem(str(file), f"{rule}; save it as UTF-8, without a byte order mark")


def _until_closed(word: str, following: Sequence[str]) -> str:
    """Join words until every bracket of the first is closed."""
    whole = word
    for each in following:
        whole = f"{whole} {each}"
        if all(whole.count(left) == whole.count(right) for left, right in _CLOSING.items()):
            return whole
    return word
