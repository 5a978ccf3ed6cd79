"""Check one plain value of a configuration against what its argument takes.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from lightune.config.static.annotations import mismatch, show
from lightune.errors import Problem

__all__ = ["BROKEN", "value_problems"]

BROKEN = object()
"""Stands where a value could not be had; its problem is reported once and later checks pass over it."""


def value_problems(path: str, value: Any, annotation: Any, *, building: bool = True) -> Iterator[Problem]:
    """Check a plain value against an annotation.

    Args:
        path: dotted key, for messages.
        value: as resolved; BROKEN values are passed over.
        annotation: as `annotations.mismatch` takes it.
        building: whether objects are built of nodes in it, which are judged by themselves.
    """
    if not _is_whole(value, building):
        return
    rule = mismatch(value, annotation)
    if rule:
        rule, _, hint = rule.partition(";")
        if isinstance(value, str) and (meant := _meant(value, annotation)) is not None:
            decode = f"'{path}=\"${{oc.decode:${{oc.env:NAME}}}}\"' makes a value of a text from the environment"
            write = "write it without quotes" if show(meant) == value else f"write {show(meant)}"
            yield Problem(path, f"{rule}, got the text {value!r}; {write}, or {decode}")
            return
        if isinstance(value, float) and value.is_integer() and not mismatch(int(value), annotation):
            hint = f" write {int(value)}"
        if isinstance(value, int | float) and not mismatch(show(value), annotation):
            hint = f" write '{path}=\"{show(value)}\"'"
        yield Problem(path, f"{rule}, got {show(value)}{';' + hint if hint else ''}")


def _meant(text: str, annotation: Any) -> Any:
    """Return the value that YAML reads in a text, if that would be right; None if not."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return None if isinstance(value, str | dict | None) or mismatch(value, annotation) else value


def _is_whole(value: Any, building: bool) -> bool:
    """Return True if a value can be judged: nothing broken in it and, where objects are built, no node of one."""
    if isinstance(value, dict):
        if building and "_target_" in value:
            return False
        value = list(value.values())
    if isinstance(value, list):
        return all(_is_whole(item, building) for item in value)
    return value is not BROKEN
