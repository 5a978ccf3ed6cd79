"""Tests mirror the source, share code through `tests/support` alone, and private names stand in one room."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SOURCE, TESTS = PROJECT / "src", PROJECT / "tests"
PUBLIC_ALL_THE_SAME = {"_exit"}  # os._exit is documented


def modules():
    return sorted(path for path in SOURCE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def mirror_of(module):
    place = module.relative_to(SOURCE)
    place = place.relative_to("lightune") if place.parts[0] == "lightune" else place
    return TESTS / place.parent / f"test_{place.name}"


def name_of(module):
    return str(module.relative_to(SOURCE))


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_a_module_has_a_test_module_in_the_same_place(module):
    assert mirror_of(module).is_file(), mirror_of(module)


def test_no_test_imports_a_conftest_or_another_test():
    wrong = []
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong += [
                f"{path.relative_to(PROJECT)}: {name}"
                for name in named
                if name.partition(".")[0] == "tests" or name.startswith(("conftest", "test_"))
            ]
    assert wrong == []


def test_private_names_of_others_stand_in_one_room():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    own = {name for tree in trees.values() for name in defined_in(tree)} | PUBLIC_ALL_THE_SAME
    used = [
        f"{name_of(path)}:{line}: {name}"
        for path, tree in trees.items()
        if "private_api" not in path.parts
        for line, name in private_names(tree)
        if name.rpartition(".")[2] not in own
    ]
    assert used == []


def defined_in(tree):
    """Yield the private names that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def private_names(tree):
    """Yield the line and the name of each private attribute and private module that a module uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            for part in [*(node.module or "").split("."), *(alias.name for alias in node.names)]:
                if is_private(part):
                    yield node.lineno, part
        elif isinstance(node, ast.Import):
            for part in (part for alias in node.names for part in alias.name.split(".")):
                if is_private(part):
                    yield node.lineno, part


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
