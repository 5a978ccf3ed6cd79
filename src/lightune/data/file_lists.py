"""Files of one kind below a folder, with the class, the part and the group of each."""

import csv
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lightune.data.delimited import find_dialect, read_columns
from lightune.errors import ConfigError, Problem

__all__ = ["PARTS", "FileList", "Named", "files_below", "list_files", "part_named", "require_distinct"]

PARTS = ("train", "val", "test")

_PART_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SHOWN = 5


@dataclass(frozen=True)
class Named:
    """One file and what is known of it.

    Args:
        path: of the file.
        label: name of its class.
        part: `train`, `val` or `test`, if it has an official one.
        group: of samples that belong together; empty if none.
    """

    path: Path
    label: str
    part: str = ""
    group: str = ""


@dataclass(frozen=True)
class FileList:
    """The files that were found, the official parts one behind the other: training, validation, test.

    Args:
        files: at least one of each of two classes.
        classes: their names, sorted, or as they were said.
        report: what was found, one (subject, remark) a line.
    """

    files: tuple[Named, ...]
    classes: tuple[str, ...]
    report: tuple[tuple[str, str], ...] = field(default=())

    def without(self, places: Collection[int]) -> "FileList":
        """Return the list without the files at some places."""
        return replace(self, files=tuple(file for place, file in enumerate(self.files) if place not in places))

    def count(self, part: str) -> int:
        """Return how many files an official part has."""
        return sum(file.part == part for file in self.files)


def list_files(
    root: Path,
    suffixes: Collection[str],
    *,
    classes: Sequence[str] | None = None,
    labels: Path | None = None,
    pattern: str | None = None,
) -> FileList:
    """List the files of a folder with their classes.

    The class of a file is the folder that it is in, below `root` or below `root/train`, `root/val`, `root/test`,
    which are then official parts; or what a manifest or a pattern says.

    Args:
        root: the folder.
        suffixes: of the files, in small letters.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` (from `root`) and `target`, and perhaps `split` and `group`.
        pattern: a regular expression for paths from `root`, with `(?P<label>…)`, and perhaps `(?P<group>…)` and
            `(?P<test>…)`, which is not empty for files of the official test part.

    Raises:
        ConfigError: if there are no files, no classes, or a file's class cannot be told.
    """
    if not root.is_dir():
        raise ConfigError([Problem("data.path", f"must be a folder, got {root.absolute()}")])
    report: list[tuple[str, str]] = []
    if labels is not None:
        found = list(_in_manifest(root, labels))
    elif pattern is not None:
        found = list(_matching(root, suffixes, pattern, report))
    else:
        found = list(_in_folders(root, suffixes, report))
    if not found:
        there = sorted(entry.name for entry in root.iterdir())[:_SHOWN]
        rule = (
            f"has no folder a class with {_listed(suffixes)} files in it (it has {', '.join(there) or 'nothing'})"
        )
        raise ConfigError([Problem("data.path", f"{root.absolute()} {rule}")])
    names = sorted({file.label for file in found})
    require_distinct(names, "data.path")
    if classes is not None:
        if absent := [name for name in classes if name not in names]:
            report.append(("classes", f"no file of {', '.join(absent)}"))
        if others := [name for name in names if name not in classes]:
            count = sum(file.label in others for file in found)
            report.append(
                ("left out", f"{count:,} files of {', '.join(others[:_SHOWN])}, which data.classes lacks")
            )
        found, names = [file for file in found if file.label in classes], list(classes)
    if len(names) < 2 or not found:
        raise ConfigError([Problem("data.path", f"{root.absolute()} has one class only: {', '.join(names)}")])
    order = {"": 0, "train": 0, "val": 1, "test": 2}
    found.sort(key=lambda file: (order[file.part], str(file.path)))
    if order[found[0].part]:
        raise ConfigError([Problem("data.path", f"{root.absolute()} has no file to train on")])
    report.insert(0, ("files", f"{len(found):,} of {len(names)} classes"))
    return FileList(tuple(found), tuple(names), tuple(report))


def files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names; hidden ones and loops of links are left out."""
    seen: set[str] = set()
    for home, inside, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(home)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(home) / name


def part_named(word: str) -> str | None:
    """Return the part that a word stands for: `train`, `val`, `test`, or None."""
    return _PART_WORDS.get(word.strip().lower())


def require_distinct(names: Sequence[str], key: str) -> None:
    """Refuse classes that differ in case only, which some file systems and people take for one.

    Raises:
        ConfigError: naming them.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    if twins := [" and ".join(map(repr, each)) for each in alike.values() if len(each) > 1]:
        raise ConfigError(
            [Problem(key, f"has classes that differ in case only: {', '.join(twins)}; write them alike")]
        )


def _in_folders(root: Path, suffixes: Collection[str], report: list[tuple[str, str]]) -> Iterator[Named]:
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    parts = {folder: part_named(folder.name) for folder in folders}
    if folders and all(parts.values()) and "train" in parts.values() and len(folders) > 1:
        homes = [
            (inner, part) for folder, part in parts.items() for inner in sorted(folder.iterdir()) if inner.is_dir()
        ]
    else:
        homes = [(folder, "") for folder in folders]
    for home, part in homes:
        inside = list(files_below(home, suffixes))
        if not inside:
            report.append(("classes", f"no {_listed(suffixes)} file in {home.relative_to(root)}"))
        yield from (Named(file, home.name, part or "") for file in inside)
    if loose := sum(1 for entry in root.iterdir() if entry.is_file() and entry.suffix.lower() in suffixes):
        report.append(("left out", f"{loose:,} files in no folder of a class"))


def _matching(
    root: Path, suffixes: Collection[str], pattern: str, report: list[tuple[str, str]]
) -> Iterator[Named]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            [Problem("data.pattern", f"is no regular expression ({error}), got {pattern}")]
        ) from error
    if "label" not in expression.groupindex:
        raise ConfigError([Problem("data.pattern", f"must have a group (?P<label>…), got {pattern}")])
    has_test = "test" in expression.groupindex
    others = []
    for file in files_below(root, suffixes):
        name = file.relative_to(root).as_posix()
        if (match := expression.fullmatch(name)) is None:
            others.append(name)
            continue
        found = match.groupdict()
        part = ("test" if found["test"] else "train") if has_test else ""
        yield Named(file, found["label"] or "", part, found.get("group") or "")
    if others:
        report.append(("left out", f"{len(others):,} files that data.pattern does not match, such as {others[0]}"))


def _in_manifest(root: Path, labels: Path) -> Iterator[Named]:
    try:
        table = read_columns(labels, find_dialect(labels))
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError([Problem("data.labels", str(error))]) from error
    if absent := [name for name in ("path", "target") if name not in table]:
        rule = f"must have the columns path and target, and lacks {' and '.join(absent)}"
        raise ConfigError([Problem("data.labels", f"{rule} (it has {', '.join(table)})")])
    if missing := [name for name in table["path"] if not (root / name).is_file()]:
        rule = f"names {len(missing):,} files that are not there, such as {missing[0]}"
        raise ConfigError([Problem("data.labels", rule)])
    count = len(table["path"])
    parts = [part_named(word) for word in table["split"]] if "split" in table else [""] * count
    if unknown := sorted(
        {word for word, part in zip(table.get("split", ()), parts, strict=False) if part is None}
    ):
        raise ConfigError(
            [Problem("data.labels", f"split must be train, val or test, got {', '.join(unknown[:_SHOWN])}")]
        )
    groups = table.get("group", [""] * count)
    for name, label, part, group in zip(table["path"], table["target"], parts, groups, strict=True):
        yield Named(root / name, label.strip(), part or "", group)


def _listed(suffixes: Collection[str]) -> str:
    return ", ".join(sorted(suffix[1:] for suffix in suffixes))
