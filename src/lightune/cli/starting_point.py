"""`from=RUN|STUDY`: the configuration that a run kept is the base of another run, or of a study around it.

Hydra composes it truly: the configuration is written as a file, `from.yaml`, whose defaults list has the groups
that are chosen on the command line, and takes everything else as it was frozen. This module must not import torch
or Lightning.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.errors import ConfigError, Problem
from lightune.paths import FROM, STUDY_FILE, conf_dir, expanded, words_for_base
from lightune.study.outputs.reader import found, open_study
from lightune.training.resumption import load_run_config, run_of

__all__ = ["started_from"]

_OTHER_ROOTS = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")
_ALWAYS = ("hydra_parts", "search")
"""Groups that are today's whatever is chosen: what searches is no part of what is searched around."""
_OF_A_RUN = ("hydra", "search", "resume", FROM)
"""Nodes and keys that belong to how a run was started."""
_WORD = re.compile(r"\w+")
_KEYWORD = re.compile(r"^(optional|override) +")


@contextmanager
def started_from(words: Sequence[str]) -> Iterator[list[str]]:
    """Return a command's words as Hydra takes them: with the file that `from=` stands for, while it is needed.

    Args:
        words: after the program's name; they may have no `from=`.

    Raises:
        ConfigError: if it names no run, or another base is chosen, too.
    """
    overrides = [] if words_for_base("")[1] in words else _parsed(words)
    run = _run_named(overrides)
    if run is None:
        yield list(words)
        return
    frozen = load_run_config(run)
    _require_no_other(words, overrides)
    with TemporaryDirectory(prefix="lightune-", ignore_cleanup_errors=True) as folder:
        content = _file(frozen, _typed_groups(overrides))
        Path(folder, f"{FROM}.yaml").write_text(content, encoding="utf-8")
        yield [*words_for_base(folder), *words]


def _parsed(words: Sequence[str]) -> list[Override]:
    """Return the overrides among words, as far as they can be read; Hydra says what is wrong with the others."""
    parser, found_ones = OverridesParser.create(), []
    for word in words:
        if not word.startswith("-") and "=" in word:
            try:
                found_ones.append(parser.parse_override(word))
            except HydraException:
                continue
    return found_ones


def _run_named(overrides: Sequence[Override]) -> Path | None:
    """Return the folder of the run that `from=` names; of a study, that of its best trial; None of `null`.

    Raises:
        ConfigError: if it names none, or several.
    """
    named = [override for override in overrides if override.key_or_group == FROM]
    value = named[-1].value() if named else None
    if value is None:
        return None
    if len(named) != 1 or named[0].is_sweep_override() or not isinstance(value, str):
        raise ConfigError([Problem(FROM, "must be the folder of one run, trial or study")])
    folder = found(Path(expanded(value)))
    if not (folder / STUDY_FILE).is_file():
        return run_of(folder)
    study = open_study(folder)
    best = study.best()
    if not best:
        raise ConfigError([Problem(FROM, f"{folder} has no trial with a result yet")])
    return study.trial_folder(best[0])


def _require_no_other(words: Sequence[str], overrides: Sequence[Override]) -> None:
    """Refuse a second base.

    Raises:
        ConfigError: with what is to be left out.
    """
    problems = []
    for word in words:
        name = word.partition("=")[0]
        if name in _OTHER_ROOTS:
            rule = f"names another configuration than {FROM}= does; leave one out"
            advice = "a folder of options of your own can be named by hydra.searchpath=[file:///its/path]"
            problems.append(Problem(name, f"{rule} ({advice})"))
    for override in overrides:
        if override.key_or_group in ("experiment", "resume"):
            rule = f"names another configuration than {FROM}= does; leave one out"
            problems.append(Problem(override.key_or_group, rule))
    if problems:
        raise ConfigError(problems)


def _typed_groups(overrides: Sequence[Override]) -> set[str]:
    """Return the groups that are chosen on the command line, and those that their options choose."""
    groups: set[str] = set()
    waiting = [
        (override.key_or_group, set(_WORD.findall(str(override.input_line).partition("=")[2])))
        for override in overrides
        if override.package is None and (conf_dir() / override.key_or_group).is_dir()
        if not isinstance(override.value(), dict)  # which sets keys of the option
    ]
    while waiting:
        group, names = waiting.pop()
        groups.add(group)
        for file in (conf_dir() / group).glob("*.yaml"):
            if not names or file.stem in names:
                waiting += [(chosen, set()) for chosen in _chosen_by(file) if chosen not in groups]
    return groups


def _chosen_by(file: Path) -> Iterator[str]:
    """Yield the groups of which an option chooses another option."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    entries = content.get("defaults") if isinstance(content, dict) else None
    for entry in entries or ():
        for key in entry if isinstance(entry, dict) else ():
            path = _KEYWORD.sub("", str(key)).lstrip("/")
            if str(key).startswith("override ") and not path.startswith("hydra/"):
                yield path


def _file(frozen: DictConfig, groups: Collection[str]) -> str:
    """Return the text of the file that Hydra composes."""
    main = OmegaConf.load(conf_dir() / "train.yaml")
    assert isinstance(main, DictConfig)
    with open_dict(frozen):
        for key in (*_OF_A_RUN, *groups):
            frozen.pop(key, None)
    body: dict[str, Any] = {
        **_plain(frozen),
        "resume": None,
        FROM: None,
        "hydra": {key: value for key, value in _plain(main.hydra).items() if key != "help"},
    }
    wanted = {*_ALWAYS, *groups}
    defaults = [entry for entry in _plain(main)["defaults"] if _group_of(entry) in wanted]
    return OmegaConf.to_yaml(OmegaConf.create({"defaults": ["_self_", *defaults], **body}))


def _plain(node: Any) -> dict[str, Any]:
    content = OmegaConf.to_container(node, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _group_of(entry: Any) -> str:
    """Return the group that an entry of a defaults list is about."""
    key = next(iter(entry)) if isinstance(entry, dict) else entry
    return _KEYWORD.sub("", str(key)).partition("/")[0]
