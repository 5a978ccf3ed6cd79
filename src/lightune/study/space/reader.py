"""Read the space of a study: from the overrides of a command, in their order, and from `search.space`.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from lightune.config.override_text import bare_key, value_text, values_of
from lightune.config.static.annotations import did_you_mean, show
from lightune.errors import ConfigError, Problem
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.space.assignments import is_one_of, keys_of, mappings_of
from lightune.study.space.dimensions import Choice, Dimension
from lightune.study.space.space import Space
from lightune.study.space.syntax import dimension_from_override, dimension_from_yaml

__all__ = ["read_space"]


def read_space(
    arguments: Sequence[str],
    *,
    params: Mapping[str, Any] | None = None,
    loader: ConfigLoader | None = None,
    fixed: Callable[[str], Any] = lambda key: None,
    seed: int = 0,
    vocabulary: Vocabulary = LIGHTUNE,
) -> Space:
    """Read the space of a study from its overrides and from YAML.

    Args:
        arguments: overrides in Hydra's syntax; they win over `params`.
        params: key → sweep, as in `search.space`.
        loader: finds the options that `glob` stands for.
        fixed: looks up the value of a key that is not swept, for conditions.
        seed: decides the order that `shuffle` gives.
        vocabulary: what its keys are called in messages.

    Raises:
        ConfigError: with all that is wrong with it.
    """
    entries: list[str | Dimension] = []
    problems: list[Problem] = []
    for key, node in (params or {}).items():
        try:
            entries.append(dimension_from_yaml(key, node, loader, seed=seed))
        except ConfigError as error:
            problems += error.problems
    in_yaml, wrong_in_yaml = len(entries), problems
    problems = []
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    for override in parsed:
        assert override.input_line is not None
        try:
            swept = override.is_sweep_override()
            entries.append(dimension_from_override(override, seed=seed) if swept else override.input_line)
        except ConfigError as error:
            problems += error.problems
    if problems or wrong_in_yaml:
        raise ConfigError([*problems, *wrong_in_yaml])
    entries, remarks = _without_superseded(entries, [*[None] * in_yaml, *parsed], vocabulary)
    space = Space(tuple(_told_apart(entries)), fixed, vocabulary)
    if problems := list(_idle_conditions(space)):
        raise ConfigError(problems)
    return replace(space, remarks=(*remarks, *_never_searched(space)))


def _without_superseded(
    entries: Sequence[str | Dimension], overrides: Sequence[Override | None], vocabulary: Vocabulary
) -> tuple[list[str | Dimension], tuple[str, ...]]:
    """Leave away the sweeps of which later overrides set every key, as they do in a run.

    Args:
        entries: of a space.
        overrides: what each was read from; None for those in YAML.
        vocabulary: what keys are called in messages.

    Returns:
        The entries, and a line on each that was left away.
    """
    kept: list[str | Dimension] = []
    remarks: list[str] = []
    set_later: dict[str, str] = {}
    for entry, override in reversed(list(zip(entries, overrides, strict=True))):
        by = None if isinstance(entry, str) else _superseding(entry, set_later)
        if isinstance(entry, str) or by is None:
            kept.append(entry)
        else:
            if entry.key.startswith("+"):  # what comes later may need the key to be there
                kept.append(f"{entry.key}={entry.edges()[0]}")
            written = override.input_line if override is not None else vocabulary.key(f"space.{entry.key}")
            remarks.append(f"{written} is not searched: {by} comes later and takes its place")
        if override is not None:
            set_later |= dict.fromkeys(_always_set(entry, override), str(override.input_line))
    return kept[::-1], tuple(remarks[::-1])


def _superseding(dimension: Dimension, set_later: Mapping[str, str]) -> str | None:
    """Return what takes the place of a dimension; None if it decides something."""
    keys = {key for mapping in _assigned(dimension) for key in mapping}
    return set_later[min(keys)] if keys and keys <= set_later.keys() else None


def _always_set(entry: str | Dimension, override: Override) -> frozenset[str]:
    """Return the keys that an override sets, whichever of its values is taken."""
    if override.is_delete() or override.is_list_extend():
        return frozenset()
    if isinstance(entry, str):
        return frozenset(values_of(override.get_key_element(), value_text(override.value())))
    return frozenset.intersection(*map(frozenset, _assigned(entry)))


def _assigned(dimension: Dimension) -> list[dict[str, Any]]:
    """Return key → value for each value of a dimension; of numbers, for one that stands for all."""
    texts = dimension.texts if isinstance(dimension, Choice) else dimension.edges()[:1]
    return [values_of(dimension.key, text) for text in texts]


def _told_apart(entries: Sequence[str | Dimension]) -> Iterator[str | Dimension]:
    """Yield entries such that no two dimensions have the same key: what a mapping sets is added to its key."""
    bare = [bare_key(entry.key) for entry in entries if not isinstance(entry, str)]
    named: list[str] = []
    for entry in entries:
        if isinstance(entry, Choice) and bare.count(bare_key(entry.key)) > 1 and (mappings := mappings_of(entry)):
            key = f"{entry.key}{{{','.join(dict.fromkeys(str(key) for each in mappings for key in each))}}}"
            named.append(key)
            yield replace(entry, key=key if named.count(key) == 1 else f"{key}{named.count(key)}")
        else:
            yield entry


def _never_searched(space: Space) -> Iterator[str]:
    """Yield a line on each key whose condition asks for another value than all trials have."""
    swept = {key for dimension in space.dimensions for key in keys_of(dimension)}
    for dimension in space.dimensions:
        for key, accepted in dimension.when.items():
            if (bare := bare_key(key)) not in swept and not is_one_of(space.fixed(bare), accepted):
                wanted = " or ".join(map(show, accepted))
                name = space.vocabulary.key(f"space.{dimension.key}")
                yield f"{name} is not searched: {key} is {show(space.fixed(bare))} in all trials, not {wanted}"


def _idle_conditions(space: Space) -> Iterator[Problem]:
    """Refuse conditions that nothing can meet: their dimension would never be searched."""
    known = {key: dimension for dimension in space.dimensions for key in keys_of(dimension)}
    for dimension in space.dimensions:
        for key, accepted in dimension.when.items():
            bare, where = bare_key(key), space.vocabulary.key(f"space.{dimension.key}")
            owner = known.get(bare)
            if owner is None and space.fixed(bare) is None and None not in accepted:
                hint = did_you_mean(key, list(known))
                rule = f"its condition asks for {key}, which is no key here{';' + hint if hint else ''}"
                yield Problem(where, rule)
            elif isinstance(owner, Choice):
                given = [values_of(owner.key, text).get(bare, space.fixed(bare)) for text in owner.texts]
                for value in accepted:
                    if not any(is_one_of(each, [value]) for each in given):
                        rule = f"its condition asks for {key}={value}, which is none of {', '.join(owner.texts)}"
                        yield Problem(where, rule)
