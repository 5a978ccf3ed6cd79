"""Values as the text of an override and back, by Hydra's own grammar; which keys an override sets.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer

__all__ = ["bare_key", "parse_override", "value_of_text", "value_text", "values_of"]


def parse_override(line: str, loader: ConfigLoader | None = None) -> Override:
    """Read one override as Hydra does.

    Args:
        line: as it is typed.
        loader: finds the options that `glob` stands for.

    Raises:
        hydra.errors.HydraException: if it is none.
    """
    override = OverridesParser.create().parse_override(line)
    override.config_loader = loader
    return override


def value_text(value: Any) -> str:
    """Write a typed value as an override does, so that it is read back as the same value of the same type."""
    return str(Transformer.str(_quoted(value)))


def value_of_text(text: str) -> Any:
    """Return the typed value that an override's text stands for."""
    return parse_override(f"key={text}").value()


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return QuotedString(text=value, quote=Quote.single)
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    return value


def bare_key(key: str) -> str:
    """Return a key without the `+` or `++` of an override."""
    return key.lstrip("+")


def values_of(key: str, text: str) -> dict[str, Any]:
    """Return key → value of all that an override sets: its key or, where its value is a mapping, the keys in it.

    Args:
        key: as it is typed.
        text: of the value.
    """
    bare = bare_key(key).partition("{")[0]
    value = value_of_text(text)
    return dict(_leaves(bare, value)) if isinstance(value, dict) else {bare: value}


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key, value
