"""What a process keeps from one training to the next, if it was asked to: the data that the last one read.

A worker of a study asks for it. This module must not import torch or Lightning.
"""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["keep_data", "kept"]

Value = TypeVar("Value")

_keeps: list[bool] = []
_last: dict[str, object] = {}


def keep_data() -> None:
    """Keep, from now on, what was read last."""
    _keeps.append(True)


def kept(name: str, read: Callable[[], Value]) -> Value:
    """Return what was read under a name if it is kept, else read it.

    Args:
        name: all that what is read depends on.
        read: reads it; the result is shared and must not be changed.
    """
    if name in _last:
        return _last[name]  # type: ignore[return-value]
    _last.clear()  # before the next is read: there may not be room for two
    value = read()
    if _keeps:
        _last[name] = value
    return value
