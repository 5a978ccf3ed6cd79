"""Read what a `_target_` takes from its source text, without importing it.

Importing torch costs seconds; a refusal should cost none. The text of a module tells the argument names,
defaults, annotations and class constants, through re-exports and base classes. What cannot be read that way
(a compiled module, a name made at run time) is reported as unreadable and judged by a real import later.
This module must not import torch or Lightning.
"""

import ast
import builtins
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightune.config import annotations

__all__ = ["Parameter", "Target", "TargetNotFoundError", "UnreadableTargetError", "describe"]

REQUIRED: Any = ast.Constant  # a default that no YAML can hold
_MAX_HOPS = 30  # re-exports and base classes followed before a loop is assumed


class TargetNotFoundError(Exception):
    """Nothing of that name exists; the message says which part is missing."""


class UnreadableTargetError(Exception):
    """The source text does not tell; only an import can."""


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


@dataclass(frozen=True)
class _Module:
    """A parsed source file: its dotted name, whether it is a package, and its top-level names."""

    name: str
    is_package: bool
    names: dict[str, ast.AST]
    stars: tuple[ast.ImportFrom, ...]


@dataclass(frozen=True)
class _Found:
    """A definition and the module it stands in."""

    module: _Module
    node: ast.AST
    path: str


def describe(target: str) -> Target:
    """Read the signature behind a dotted path.

    Args:
        target: dotted path of a class or function, e.g. `torch.optim.AdamW`.

    Raises:
        TargetNotFoundError: if the package or the name does not exist.
        UnreadableTargetError: if only an import could tell.
    """
    found = _find(target)
    if isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _from_function(found, found.node, drop_first=False)
    if isinstance(found.node, ast.ClassDef):
        return _from_class(found, found.node)
    raise UnreadableTargetError(f"'{found.path}' is neither a class nor a function in the source text")


def _find(target: str, hops: int = 0) -> _Found:
    if hops > _MAX_HOPS:
        raise UnreadableTargetError(f"'{target}' is re-exported too many times")
    module, rest = _open_longest(target)
    if not rest:
        return _Found(module, ast.Module(body=[], type_ignores=[]), module.name)
    return _resolve(module, rest, hops)


def _resolve(module: _Module, rest: tuple[str, ...], hops: int) -> _Found:
    name, tail = rest[0], rest[1:]
    node = module.names.get(name)
    if node is None:
        return _resolve_star(module, rest, hops)
    if isinstance(node, ast.ImportFrom):
        alias = next(a for a in node.names if (a.asname or a.name) == name)
        return _find(".".join((_absolute(module, node), alias.name, *tail)), hops + 1)
    if isinstance(node, ast.Import):
        alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
        source = alias.name if alias.asname else alias.name.split(".")[0]
        return _find(".".join((source, *tail)), hops + 1)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        source = _dotted(node.value)
        if source is None:
            raise UnreadableTargetError(f"'{module.name}.{name}' is made at run time")
        return _resolve(module, (*source.split("."), *tail), hops + 1)
    if tail:
        return _member(module, node, name, tail, hops)
    return _Found(module, node, f"{module.name}.{name}")


def _resolve_star(module: _Module, rest: tuple[str, ...], hops: int) -> _Found:
    for star in module.stars:
        try:
            return _find(".".join((_absolute(module, star), *rest)), hops + 1)
        except TargetNotFoundError:
            continue
    if "__getattr__" in module.names:
        raise UnreadableTargetError(f"'{module.name}' makes its names at run time")
    raise TargetNotFoundError(f"'{module.name}' has no '{rest[0]}'")


def _member(module: _Module, node: ast.AST, owner: str, tail: tuple[str, ...], hops: int) -> _Found:
    for child in getattr(node, "body", ()):
        if getattr(child, "name", None) == tail[0]:
            path = f"{module.name}.{owner}.{tail[0]}"
            return _Found(module, child, path) if len(tail) == 1 else _member(module, child, owner, tail[1:], hops)
    raise UnreadableTargetError(f"'{module.name}.{owner}' shows no '{tail[0]}' in its source text")


def _open_longest(target: str) -> tuple[_Module, tuple[str, ...]]:
    """Open the longest prefix of a dotted path that is a module; return it and what is left of the path."""
    parts = tuple(target.split("."))
    if not all(part.isidentifier() for part in parts):
        raise TargetNotFoundError(f"'{target}' is not a dotted path")
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError) as error:
        raise UnreadableTargetError(str(error)) from error
    if spec is None:
        raise TargetNotFoundError(f"there is no package '{parts[0]}'")
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    used = 1
    for part in parts[1:]:
        child = next(_candidates(folders, part), None)
        if child is None:
            break
        file, folders, used = child[0], child[1], used + 1
    if file is None and not folders:
        raise UnreadableTargetError(f"'{parts[0]}' is built into Python")
    name = ".".join(parts[:used])
    if file is None:
        if used < len(parts):
            raise TargetNotFoundError(f"'{name}' has no '{parts[used]}'")
        return _Module(name, True, {}, ()), ()
    return _parse(file, name), parts[used:]


def _candidates(folders: list[Path], part: str) -> Iterator[tuple[Path | None, list[Path]]]:
    for folder in folders:
        package = folder / part
        if (package / "__init__.py").is_file():
            yield package / "__init__.py", [package]
        elif (folder / f"{part}.py").is_file():
            yield folder / f"{part}.py", []
        elif package.is_dir():
            yield None, [package]


@functools.lru_cache(maxsize=256)
def _parse(file: Path, name: str) -> _Module:
    if file.suffix != ".py":
        raise UnreadableTargetError(f"'{name}' has no source text")
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableTargetError(f"'{name}' cannot be read: {error}") from error
    names: dict[str, ast.AST] = {}
    stars: list[ast.ImportFrom] = []
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                names.setdefault(alias.asname or alias.name.split(".")[0], node)
        elif isinstance(node, ast.Assign):
            names.update({goal.id: node for goal in node.targets if isinstance(goal, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            names[node.target.id] = node
    return _Module(name, file.name == "__init__.py", names, tuple(stars))


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, those under `if` and `try` included."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _top_level(node.body)
            yield from _top_level(node.orelse)
        elif isinstance(node, ast.Try):
            yield from _top_level(node.body)
            for handler in node.handlers:
                yield from _top_level(handler.body)
        else:
            yield node


def _absolute(module: _Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    keep = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _dotted(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := _dotted(node.value)):
        return f"{head}.{node.attr}"
    return None


def _from_function(
    found: _Found, node: ast.FunctionDef | ast.AsyncFunctionDef, *, drop_first: bool, **extra: Any
) -> Target:
    parameters: dict[str, Parameter] = {}
    for argument, default, keyword in _arguments(node.args):
        annotation = annotations.evaluate(argument.annotation, lambda name: _alias(found.module, name))
        parameters[argument.arg] = Parameter(argument.arg, _literal(default), annotation, keyword)
    if drop_first and parameters:
        del parameters[next(iter(parameters))]
    return Target(extra.get("path", found.path), parameters, node.args.kwarg is not None, extra.get("constants", {}))


def _arguments(args: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None, bool]]:
    positional = [(a, False) for a in args.posonlyargs] + [(a, True) for a in args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    for (argument, keyword), default in zip(positional, defaults, strict=True):
        yield argument, default, keyword
    for argument, kw_default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield argument, kw_default, True


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return REQUIRED
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _from_class(found: _Found, node: ast.ClassDef) -> Target:
    constants: dict[str, Any] = {}
    constructor: tuple[_Found, ast.FunctionDef] | None = None
    for ancestor, body in _lineage(found, node):
        for name, value in _class_constants(body):
            constants.setdefault(name, value)
        if constructor is not None:
            continue
        own = next((n for n in body.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if own is not None:
            constructor = (ancestor, own)
        elif _is_dataclass(body):
            return Target(found.path, _dataclass_fields(found, node), False, constants)
    if constructor is None:
        return Target(found.path, {}, False, constants)
    return _from_function(*constructor, drop_first=True, path=found.path, constants=constants)


def _lineage(found: _Found, node: ast.ClassDef, hops: int = 0) -> Iterator[tuple[_Found, ast.ClassDef]]:
    """Yield a class and its ancestors, nearest first, as far as the source text shows them."""
    yield found, node
    if hops > _MAX_HOPS:
        return
    for base in node.bases:
        name = _dotted(base.value if isinstance(base, ast.Subscript) else base)
        if name is None or name in {"object", "Generic", "Protocol", "ABC"}:
            continue
        try:
            parent = _resolve(found.module, tuple(name.split(".")), hops)
        except TargetNotFoundError as error:
            if hasattr(builtins, name):
                continue
            raise UnreadableTargetError(f"the base class '{name}' is not in the source text") from error
        if isinstance(parent.node, ast.ClassDef):
            yield from _lineage(parent, parent.node, hops + 1)


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
    return any((_dotted(call) or "").endswith("dataclass") for call in calls)


def _dataclass_fields(found: _Found, node: ast.ClassDef) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for ancestor, body in reversed(list(_lineage(found, node))):
        module = ancestor.module
        for statement in body.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                name = statement.target.id
                annotation = annotations.evaluate(statement.annotation, functools.partial(_alias, module))
                parameters[name] = Parameter(name, _literal(statement.value), annotation)
    return parameters


def _alias(module: _Module, name: str) -> tuple[Any, Any]:
    """Find what a type alias stands for: its expression, and how to look up the names in it."""
    found = _alias_node(module, tuple(name.split(".")), 0)
    return found


def _alias_node(module: _Module, rest: tuple[str, ...], hops: int) -> tuple[Any, Any]:
    node = module.names.get(rest[0])
    if hops > _MAX_HOPS or node is None:
        return None, None
    if isinstance(node, ast.Assign | ast.AnnAssign) and len(rest) == 1:
        return node.value, functools.partial(_alias, module)
    if isinstance(node, ast.ImportFrom):
        alias = next(a for a in node.names if (a.asname or a.name) == rest[0])
        try:
            source, left = _open_longest(".".join((_absolute(module, node), alias.name, *rest[1:])))
        except (TargetNotFoundError, UnreadableTargetError):
            return None, None
        return _alias_node(source, left, hops + 1) if left else (None, None)
    return None, None
