"""Judge a plain YAML value by a type annotation, read from source text.

This module must not import torch or Lightning.
"""

import ast
import difflib
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lightune import ranges
from lightune.ranges import Range

__all__ = ["did_you_mean", "evaluate", "mismatch", "or_null", "show"]

type_names: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "None": None,
    "list": list,
    "List": list,
    "tuple": tuple,
    "Tuple": tuple,
    "dict": dict,
    "Dict": dict,
    "Mapping": dict,
    "Sequence": list,
    "Iterable": list,
    "Any": Any,
    **{name: value for name, value in vars(ranges).items() if get_origin(value) is Annotated},
}


class Opaque:
    """Stands for a type that no plain YAML value can have, such as a tensor or a module."""


_OPAQUE = {"Tensor", "Module", "Callable", "Optimizer", "timedelta"}
_NUMBER_WORDS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}

_NO_LITERAL = object()

Lookup = Callable[[str], tuple[Any, Any]]


def evaluate(node: ast.AST | None, lookup: Lookup, within: frozenset[str] = frozenset()) -> Any:
    """Turn the text of an annotation into a type; Any where it is not understood.

    Args:
        node: the annotation as parsed, or None where there is none.
        lookup: finds the expression behind a name of the module, and the lookup for the names in it.
        within: the aliases that are being read; one that comes again stands for itself.
    """
    if isinstance(node, ast.Constant):
        return _constant(node.value, lookup, within)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(evaluate(node.left, lookup, within), evaluate(node.right, lookup, within))
    if isinstance(node, ast.Subscript):
        return _generic(node, lookup, within)
    name = _last_name(node)
    if node is None or name is None:
        return Any
    if name in type_names:
        return type_names[name]
    if name in _OPAQUE:
        return Opaque
    written = ast.unparse(node)
    if written in within:
        return Any
    expression, inner = lookup(written)
    return Any if expression is None else evaluate(expression, inner, within | {written})


def or_null(annotation: Any) -> Any:
    """Return the annotation of an argument whose default is None: null may be given, whatever is written."""
    return _union(annotation, None)


def _constant(value: object, lookup: Lookup, within: frozenset[str]) -> Any:
    if not isinstance(value, str):
        return None if value is None else Any
    try:
        return evaluate(ast.parse(value, mode="eval").body, lookup, within)
    except (SyntaxError, ValueError):
        return Any  # text that is no type, such as the axes of a jaxtyping array


def _generic(node: ast.Subscript, lookup: Lookup, within: frozenset[str]) -> Any:
    name = _last_name(node.value)
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if any(isinstance(item, ast.Starred) for item in items):
        return Any
    if name == "Literal":
        choices = [_literal(item) for item in items]
        return Any if _NO_LITERAL in choices else Literal[tuple(choices)]
    if name == "Annotated":
        bounds = [_range(item) for item in items[1:]]
        base = evaluate(items[0], lookup, within)
        known = [bound for bound in bounds if bound is not None]
        return Annotated[base, known[0]] if known else base
    inner: list[Any] = [... if _is_ellipsis(item) else evaluate(item, lookup, within) for item in items]
    if name == "Union":
        return _union(*inner)
    if name == "Optional":
        return _union(inner[0], None)
    if name in {"list", "List", "Sequence", "Iterable"}:
        return types.GenericAlias(list, (inner[0],))
    if name in {"tuple", "Tuple"}:
        return types.GenericAlias(tuple, tuple(inner))
    if name in {"dict", "Dict", "Mapping"}:
        return dict
    return Opaque if name in _OPAQUE else Any


def _union(*members: Any) -> Any:
    return Any if Any in members else Union[tuple(members)]  # noqa: UP007 - members are known at run time only


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _NO_LITERAL  # a member of an enumeration, say


def _range(node: ast.expr) -> Range | None:
    if not isinstance(node, ast.Call) or _last_name(node.func) != "Range" or node.args:
        return None
    bounds = {word.arg: _literal(word.value) for word in node.keywords}
    known = bounds.keys() <= {"gt", "ge", "lt", "le"} and _NO_LITERAL not in bounds.values()
    return Range(**bounds) if known else None  # type: ignore[arg-type]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _last_name(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def mismatch(value: Any, annotation: Any) -> str | None:
    """Say what a value should have been, or None where it fits.

    Args:
        value: a plain value: None, bool, int, float, str, list or dict.
        annotation: a type from `evaluate`, or any plain typing expression.

    Returns:
        The rule in words, without the value: `must be a finite number > 0`.
    """
    if _fits(value, annotation):
        return None
    if isinstance(value, str) and (choices := _choices(annotation)) and (near := did_you_mean(value, choices)):
        return f"must be {_words(annotation)};{near}"
    return f"must be {_words(annotation)}"


def _fits(value: Any, annotation: Any) -> bool:
    origin = get_origin(annotation)
    if annotation is Any:
        return not (isinstance(value, float) and math.isnan(value))
    if annotation is None or annotation is type(None):
        return value is None
    if origin is Annotated:
        base, bound = get_args(annotation)[:2]
        return _fits(value, base) and (not isinstance(value, int | float) or value in bound)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in get_args(annotation))
    if origin is list:
        return isinstance(value, list) and all(_fits(item, get_args(annotation)[0]) for item in value)
    if origin is tuple:
        return isinstance(value, list) and _fits_tuple(value, get_args(annotation))
    return _fits_plain(value, annotation)


def _fits_tuple(value: list[Any], members: tuple[Any, ...]) -> bool:
    if len(members) == 2 and members[1] is ...:
        return all(_fits(item, members[0]) for item in value)
    return len(value) == len(members) and all(map(_fits, value, members))


def _fits_plain(value: Any, annotation: Any) -> bool:
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if annotation in (list, tuple):
        return isinstance(value, list)
    if annotation in (str, dict):
        return isinstance(value, annotation)
    return False


def _words(annotation: Any) -> str:
    origin = get_origin(annotation)
    if annotation is None or annotation is type(None):
        return "null"
    if origin is Annotated:
        base, bound = get_args(annotation)[:2]
        return f"{_words(base)} {bound}"
    if origin is Literal:
        return "one of " + ", ".join(show(choice) for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not Opaque]
        return " or ".join(dict.fromkeys(_words(member) for member in members))
    if origin is list:
        (item,) = get_args(annotation)
        return "a list" if item is Any else f"a list, each item {_words(item)}"
    if origin is tuple:
        members = list(get_args(annotation))
        if ... in members:
            return _words(types.GenericAlias(list, (members[0],)))
        if Any in members:
            return f"a list of {len(members)}"
        each = dict.fromkeys(_words(member) for member in members)
        return f"a list of {len(members)}, each item {' or '.join(each)}"
    return _NUMBER_WORDS.get(annotation, "a list" if annotation in (list, tuple) else "a mapping")


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if get_origin(annotation) in (Union, types.UnionType):
        return [choice for member in get_args(annotation) for choice in _choices(member)]
    return []


def did_you_mean(word: str, choices: Sequence[str] | Mapping[str, Any]) -> str:
    """Return ` did you mean 'x'?` for the nearest choice, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" did you mean '{near[0]}'?" if near else ""


def show(value: Any) -> str:
    """Write a value as one would type it in YAML; long ones are cut."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) and (not value or value != value.strip()) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
