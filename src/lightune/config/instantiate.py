"""Call the targets of a configuration with its keys, and say which key a refusal belongs to."""

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import execution_whitelist, instantiate
from omegaconf import DictConfig, OmegaConf

from lightune.config import schema
from lightune.config.trust import whitelist
from lightune.errors import ConfigError, Problem, memory_asked, reason_of

__all__ = ["Supply", "bind", "make", "naming_key", "require"]

Supply = Mapping[str, Callable[[], Any]]
"""Argument name → what makes its value, called when a target takes an argument of that name."""

_PACKAGE = str(Path(__file__).parents[1])


def make(
    group: str, node: DictConfig, supply: Supply, key: str | None = None, given: Mapping[str, Any] | None = None
) -> Any:
    """Call a node's target with its own keys and with those supplied values that it takes.

    A node with `_partial_: true` is bound, not called; its user supplies the rest.

    Args:
        group: the config group, which says what may be supplied.
        node: the node.
        supply: the values that are not written in the node.
        key: the dotted key of the node, for refusals; the group by default.
        given: arguments that were made already, in the place of those that the node has by these names.

    Raises:
        ConfigError: if the target cannot be imported, is not trusted, or refuses its arguments.
    """
    with naming_key(key or group):
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        given = given or {}
        factory = bind({name: value for name, value in plain.items() if name not in given})
        if node.get("_partial_"):
            return _picklable(factory)
        wanted = inspect.signature(factory.func).parameters
        names = [name for name in schema.SUPPLIED.get(group, ()) if name in wanted and name in supply]
        extra = {name: supply[name]() for name in names if name not in factory.keywords}
        return factory(**extra, **given)


def bind(plain: Any) -> functools.partial[Any]:
    """Bind a node's target to its keys, as Hydra does.

    Hydra copies a configuration several times to do so. A target that was found and trusted before is bound
    without Hydra, unless the node contains other nodes to instantiate.

    Args:
        plain: the node, resolved.

    Raises:
        InstantiationException: if the target cannot be imported, or is not trusted.
    """
    trusted, target = whitelist(), plain.get("_target_")
    directives = {key for key in plain if key.startswith("_")}
    by_hydra = directives - {"_target_", "_partial_"} or _contains_targets(plain)
    found = None if by_hydra else _found.get((target, trusted))
    if found is not None:
        return functools.partial(found, **{key: value for key, value in plain.items() if key not in directives})
    with execution_whitelist(list(trusted)):
        factory: functools.partial[Any] = instantiate(plain, _partial_=True, _convert_="all")
    _found[target, trusted] = factory.func
    arguments = {key: _picklable(value) for key, value in factory.keywords.items()}
    return functools.partial(factory.func, *factory.args, **arguments)


def _picklable(value: Any) -> Any:
    """Return a partial of Hydra's as one of Python's, which a module may keep among its hyperparameters."""
    if isinstance(value, functools.partial) and type(value) is not functools.partial:
        return functools.partial(value.func, *value.args, **value.keywords)
    return value


_found: dict[tuple[Any, tuple[str, ...]], Callable[..., Any]] = {}


def _contains_targets(plain: Mapping[str, Any]) -> bool:
    """Return True if there are nodes to instantiate below a node."""
    inner: list[Any] = list(plain.values())
    while inner:
        value = inner.pop()
        if isinstance(value, dict):
            if "_target_" in value:
                return True
            inner.extend(value.values())
        elif isinstance(value, list):
            inner.extend(value)
    return False


@contextmanager
def naming_key(key: str) -> Iterator[None]:
    """Turn any exception raised inside into a refusal that names a configuration key.

    Args:
        key: dotted.

    Raises:
        ConfigError: one that was raised inside as it is, else one about the key.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError([Problem(key, _message(error))]) from error


def require(condition: bool, rule: str) -> None:
    """Raise a ValueError with a rule unless a condition holds."""
    if not condition:
        raise ValueError(rule)


def _message(error: Exception) -> str:
    cause: BaseException = error
    while isinstance(cause, InstantiationException | ImportError) and cause.__cause__ is not None:
        cause = cause.__cause__  # Hydra wraps the error of an import
    if asked := memory_asked(cause):
        return f"out of memory: {asked}; make it smaller"
    text = reason_of(cause) or "gave no reason"
    if isinstance(cause, ValueError | FileNotFoundError):
        return text
    return f"{type(cause).__name__}: {text}{_place_in_user_code(cause)}"


def _place_in_user_code(error: BaseException) -> str:
    """Return the line of a user's own code where an error arose; an empty text if it arose elsewhere."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        file = frame.f_code.co_filename
        if (
            not file.startswith(("<", _PACKAGE))
            and "site-packages" not in file
            and not file.startswith(sys.base_prefix)
        ):
            return f" ({os.path.relpath(file)}, line {frame.f_lineno})"
    return ""
