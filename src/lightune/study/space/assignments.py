"""What the values of a dimension set: its key or, where they are mappings, the keys in them.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from lightune.config.override_text import bare_key, value_of_text, values_of
from lightune.study.space.dimensions import Choice, Dimension, typed_key

__all__ = ["is_one_of", "keys_of", "mappings_of"]


def mappings_of(dimension: Dimension) -> list[dict[Any, Any]]:
    """Return those of a dimension's values that are mappings."""
    texts = dimension.texts if isinstance(dimension, Choice) else ()
    return [value for text in texts if text.startswith("{") and isinstance(value := value_of_text(text), dict)]


def keys_of(dimension: Dimension) -> frozenset[str]:
    """Return the keys that a dimension sets: its own, and those of its mappings."""
    texts = dimension.texts if isinstance(dimension, Choice) else ()
    return frozenset([bare_key(typed_key(dimension)), *_inner_keys(dimension.key, texts)])


@cache
def _inner_keys(key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for text in texts if text.startswith("{") for name in values_of(key, text))


def is_one_of(value: Any, accepted: Sequence[Any]) -> bool:
    """Return True if a value is one of some, types included."""
    return any(type(value) is type(wanted) and value == wanted for wanted in accepted)
