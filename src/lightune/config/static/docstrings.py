"""What a docstring in Google's form says of a callable and of its arguments, read from source text.

This module must not import torch or Lightning.
"""

import ast
import re
from collections.abc import Iterator

from lightune.config.static.sources import Definition, TargetNotFoundError, UnreadableTargetError, find, lineage

__all__ = ["described"]

_SECTION = re.compile(r"^(?:Args|Arguments|Parameters):[ \t]*\n(.*?)(?=^\S|\Z)", re.DOTALL | re.MULTILINE)
_ARGUMENT = re.compile(r"^(?P<name>\*{0,2}\w+)(?:[ \t]*\([^)]*\))?:[ \t]+(?P<text>.*)$")


def described(target: str) -> tuple[str, dict[str, str]]:
    """Return what a callable is, in its docstring's first paragraph, and what it says of each argument.

    Those of base classes count where it says nothing of an argument itself.

    Args:
        target: dotted path of a class or function.
    """
    try:
        found = find(target)
    except (TargetNotFoundError, UnreadableTargetError):
        return "", {}
    texts = list(_docstrings(found))
    arguments: dict[str, str] = {}
    for text in texts:
        for name, said in _arguments(text):
            arguments.setdefault(name, said)
    return " ".join(texts[0].partition("\n\n")[0].split()) if texts else "", arguments


def _docstrings(found: Definition) -> Iterator[str]:
    """Yield the docstrings of a definition, the nearest first: a class's, its constructor's, its bases'."""
    if isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield ast.get_docstring(found.node) or ""
    elif isinstance(found.node, ast.ClassDef):
        for _, body in lineage(found, found.node):
            yield ast.get_docstring(body) or ""
            for node in body.body:
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    yield ast.get_docstring(node) or ""


def _arguments(text: str) -> Iterator[tuple[str, str]]:
    for section in _SECTION.findall(text):
        lines = [line for line in section.splitlines() if line.strip()]
        if not lines:
            continue
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        name, words = "", list[str]()
        for line in lines:
            begun = _ARGUMENT.match(line.strip()) if len(line) - len(line.lstrip()) == margin else None
            if begun is not None:
                if name:
                    yield name, " ".join(" ".join(words).split())
                name, words = begun["name"].lstrip("*"), [begun["text"]]
            else:
                words.append(line)
        if name:
            yield name, " ".join(" ".join(words).split())
