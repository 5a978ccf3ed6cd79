"""Find definitions in source text by their dotted paths, through re-exports, without importing anything.

This module must not import torch or Lightning.
"""

import ast
import builtins
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Definition", "TargetNotFoundError", "UnreadableTargetError", "dotted", "find", "find_alias", "lineage"]

_MAX_HOPS = 30  # re-exports and base classes followed before a loop is assumed


class TargetNotFoundError(Exception):
    """Nothing of that name exists; the message says which part is missing."""


class UnreadableTargetError(Exception):
    """The source text does not tell; only an import can.

    Args:
        message: why.
        path: the dotted path at which the reading ended, after the re-exports before it; filled in by `find`.
    """

    def __init__(self, message: str, path: str = "") -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True)
class Module:
    """A parsed source file: its dotted name, whether it is a package, and its top-level names."""

    name: str
    is_package: bool
    names: dict[str, ast.AST]
    stars: tuple[ast.ImportFrom, ...]


@dataclass(frozen=True)
class Definition:
    """A definition and the module it stands in."""

    module: Module
    node: ast.AST
    path: str


def find(target: str, hops: int = 0) -> Definition:
    """Find what a dotted path names.

    Args:
        target: dotted path, e.g. `torch.optim.AdamW`.
        hops: re-exports followed so far.

    Raises:
        TargetNotFoundError: if the package or the name does not exist.
        UnreadableTargetError: if only an import could tell.
    """
    try:
        if hops > _MAX_HOPS:
            raise UnreadableTargetError(f"'{target}' is re-exported too many times")
        module, rest = _open_longest(target)
        if not rest:
            return Definition(module, ast.Module(body=[], type_ignores=[]), module.name)
        return _resolve(module, rest, hops)
    except UnreadableTargetError as error:
        error.path = error.path or target
        raise


def _resolve(module: Module, rest: tuple[str, ...], hops: int) -> Definition:
    name, tail = rest[0], rest[1:]
    node = module.names.get(name)
    if node is None:
        return _resolve_star(module, rest, hops)
    if isinstance(node, ast.ImportFrom):
        alias = next(a for a in node.names if (a.asname or a.name) == name)
        return find(".".join((_absolute(module, node), alias.name, *tail)), hops + 1)
    if isinstance(node, ast.Import):
        alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
        source = alias.name if alias.asname else alias.name.split(".")[0]
        return find(".".join((source, *tail)), hops + 1)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        meant = dotted(node.value)
        if meant is None:
            raise UnreadableTargetError(f"'{module.name}.{name}' is made at run time")
        return _resolve(module, (*meant.split("."), *tail), hops + 1)
    if tail:
        return _member(module, node, name, tail)
    return Definition(module, node, f"{module.name}.{name}")


def _resolve_star(module: Module, rest: tuple[str, ...], hops: int) -> Definition:
    for star in module.stars:
        try:
            return find(".".join((_absolute(module, star), *rest)), hops + 1)
        except TargetNotFoundError:
            continue
    if "__getattr__" in module.names:
        raise UnreadableTargetError(f"'{module.name}' makes its names at run time")
    raise TargetNotFoundError(f"'{module.name}' has no '{rest[0]}'")


def _member(module: Module, node: ast.AST, owner: str, tail: tuple[str, ...]) -> Definition:
    for child in getattr(node, "body", ()):
        if getattr(child, "name", None) == tail[0]:
            path = f"{owner}.{tail[0]}"
            if len(tail) > 1:
                return _member(module, child, path, tail[1:])
            return Definition(module, child, f"{module.name}.{path}")
    raise UnreadableTargetError(f"'{module.name}.{owner}' shows no '{tail[0]}' in its source text")


def _open_longest(target: str) -> tuple[Module, tuple[str, ...]]:
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
    file: Path | None = Path(spec.origin) if spec.has_location and spec.origin else None
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
        return Module(name, True, {}, ()), ()
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
def _parse(file: Path, name: str) -> Module:
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
    return Module(name, file.name == "__init__.py", names, tuple(stars))


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


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    keep = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def dotted(node: ast.AST | None) -> str | None:
    """Return the dotted name that an expression is, or None if it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return None


def lineage(found: Definition, node: ast.ClassDef, hops: int = 0) -> Iterator[tuple[Definition, ast.ClassDef]]:
    """Yield a class and its ancestors, nearest first, as far as the source text shows them."""
    yield found, node
    if hops > _MAX_HOPS:
        return
    for base in node.bases:
        name = dotted(base.value if isinstance(base, ast.Subscript) else base)
        if name is None:
            raise UnreadableTargetError(f"the base class '{ast.unparse(base)}' is made at run time")
        if name in {"object", "Generic", "Protocol", "ABC"}:
            continue
        try:
            parent = _resolve(found.module, tuple(name.split(".")), hops)
        except TargetNotFoundError as error:
            if hasattr(builtins, name):
                continue
            raise UnreadableTargetError(f"the base class '{name}' is not in the source text") from error
        if isinstance(parent.node, ast.ClassDef):
            yield from lineage(parent, parent.node, hops + 1)


def find_alias(module: Module, name: str, hops: int = 0) -> tuple[Any, Any]:
    """Find what a type alias stands for: its expression, and how to look up the names in it."""
    rest = name.split(".")
    node = module.names.get(rest[0])
    if hops > _MAX_HOPS or node is None:
        return None, None
    if isinstance(node, ast.Assign | ast.AnnAssign) and len(rest) == 1:
        return node.value, functools.partial(find_alias, module)
    if isinstance(node, ast.ImportFrom):
        alias = next(a for a in node.names if (a.asname or a.name) == rest[0])
        try:
            source, left = _open_longest(".".join((_absolute(module, node), alias.name, *rest[1:])))
        except (TargetNotFoundError, UnreadableTargetError):
            return None, None
        return find_alias(source, ".".join(left), hops + 1) if left else (None, None)
    return None, None
