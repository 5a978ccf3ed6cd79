"""Read what a `_target_` takes from its source text, without importing it.

Importing torch costs seconds; a refusal should cost none. The text of a module tells the argument names,
defaults, annotations and class constants, through re-exports and base classes. What cannot be read that way
(a compiled module, a name made at run time) is reported as unreadable and judged by a real import later.
This module must not import torch or Lightning.
"""

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lightune.config.static import annotations
from lightune.config.static.sources import (
    Definition,
    TargetNotFoundError,
    UnreadableTargetError,
    dotted,
    find,
    find_alias,
    lineage,
)

__all__ = ["Parameter", "Target", "TargetNotFoundError", "UnreadableTargetError", "describe"]

REQUIRED: Any = ast.Constant  # a default that no YAML can hold


@dataclass(frozen=True)
class Parameter:
    """One argument of a callable.

    Args:
        name: as it is written.
        default: its literal value; REQUIRED where there is none, None where it is no literal.
        annotation: a type for `annotations.mismatch`; Any where it is unknown.
        keyword: whether it can be given by name.
    """

    name: str
    default: Any
    annotation: Any
    keyword: bool = True

    @property
    def required(self) -> bool:
        """Tell whether a call must supply it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Target:
    """What is known of a callable without importing it.

    Args:
        path: canonical dotted path, after re-exports.
        parameters: by name, in order, without `self`.
        open_ended: whether it takes any keyword besides (`**kwargs`).
        constants: literal class attributes, inherited ones included.
    """

    path: str
    parameters: dict[str, Parameter]
    open_ended: bool
    constants: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


def describe(target: str) -> Target:
    """Read the signature behind a dotted path.

    Args:
        target: dotted path of a class or function, e.g. `torch.optim.AdamW`.

    Raises:
        TargetNotFoundError: if the package or the name does not exist.
        UnreadableTargetError: if only an import could tell.
    """
    found = find(target)
    if isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _from_function(found, found.node, drop_first=False)
    if isinstance(found.node, ast.ClassDef):
        return _from_class(found, found.node)
    raise UnreadableTargetError(f"'{found.path}' is neither a class nor a function in the source text")


def _from_function(
    found: Definition, node: ast.FunctionDef | ast.AsyncFunctionDef, *, drop_first: bool, **extra: Any
) -> Target:
    parameters: dict[str, Parameter] = {}
    for argument, default, keyword in _arguments(node.args):
        annotation = _annotation(found, argument.annotation, default)
        parameters[argument.arg] = Parameter(argument.arg, _literal(default), annotation, keyword)
    if drop_first and parameters:
        del parameters[next(iter(parameters))]
    return Target(
        extra.get("path", found.path), parameters, node.args.kwarg is not None, extra.get("constants", {})
    )


def _arguments(args: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None, bool]]:
    positional = [(a, False) for a in args.posonlyargs] + [(a, True) for a in args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    for (argument, keyword), default in zip(positional, defaults, strict=True):
        yield argument, default, keyword
    for argument, kw_default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield argument, kw_default, True


def _annotation(found: Definition, node: ast.expr | None, default: ast.expr | None) -> Any:
    annotation = annotations.evaluate(node, functools.partial(find_alias, found.module))
    is_null = isinstance(default, ast.Constant) and default.value is None
    return annotations.or_null(annotation) if is_null else annotation


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return REQUIRED
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _from_class(found: Definition, node: ast.ClassDef) -> Target:
    constants: dict[str, Any] = {}
    constructor: tuple[Definition, ast.FunctionDef] | None = None
    for ancestor, body in lineage(found, node):
        for name, value in _class_constants(body):
            constants.setdefault(name, value)
        if constructor is not None:
            continue
        if (own := _constructor(body)) is not None:
            constructor = (ancestor, own)
        elif _is_dataclass(body):
            return Target(found.path, _fields(lineage(found, node)), False, constants)
        elif _is_named_tuple(body):
            return Target(found.path, _fields([(ancestor, body)]), False, constants)
    if constructor is None:
        return Target(found.path, {}, False, constants)
    return _from_function(*constructor, drop_first=True, path=found.path, constants=constants)


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Return the method that takes a class's arguments; a `__new__` that takes anything leaves it to others."""
    methods = {child.name: child for child in node.body if isinstance(child, ast.FunctionDef)}
    new = methods.get("__new__")
    return methods.get("__init__", None if new is None or (new.args.vararg and new.args.kwarg) else new)


def _class_constants(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            goals: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            goals = [statement.target]
        else:
            continue
        if statement.value is None or (value := _literal(statement.value)) is None:
            continue
        yield from ((goal.id, value) for goal in goals if isinstance(goal, ast.Name))


def _is_dataclass(node: ast.ClassDef) -> bool:
    calls = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any((dotted(call) or "").endswith("dataclass") for call in calls)


def _is_named_tuple(node: ast.ClassDef) -> bool:
    return any((dotted(base) or "").rpartition(".")[2] == "NamedTuple" for base in node.bases)


def _fields(classes: Iterable[tuple[Definition, ast.ClassDef]]) -> dict[str, Parameter]:
    """Return the annotated fields of classes, nearest first, as the constructor made of them takes them."""
    parameters: dict[str, Parameter] = {}
    for ancestor, body in reversed(list(classes)):
        for statement in body.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                name = statement.target.id
                annotation = _annotation(ancestor, statement.annotation, statement.value)
                parameters[name] = Parameter(name, _literal(statement.value), annotation)
    return parameters
