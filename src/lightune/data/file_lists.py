"""Files of one kind below a folder, with the class or the value, the part and the group of each."""

import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lightune.data.class_names import in_order, require_classes
from lightune.data.columns import NA_VALUES, decide, parse_numbers
from lightune.data.official_parts import part_named
from lightune.data.table_files import read_table
from lightune.errors import ConfigError, Problem
from lightune.wording import counted

__all__ = [
    "FileList",
    "Named",
    "files_below",
    "list_files",
]

_SHOWN = 5
_MASKS = frozenset(
    f"{word}{end}" for word in ("mask", "label", "annotation", "segmentation", "gt", "target") for end in ("", "s")
)  # what folders of masks are called
_MASK_ENDS = re.compile(r"[_-](mask|label|seg|gt)s?$")


@dataclass(frozen=True)
class Named:
    """One file and what is known of it.

    Args:
        path: of the file.
        label: name of its class, or its value as it is written.
        part: `train`, `val` or `test`, if it has an official one.
        group: of samples that belong together; empty for one that belongs to no other.
        value: what is to be predicted of it, where that is a number.
    """

    path: Path
    label: str
    part: str = ""
    group: str = ""
    value: float = math.nan


@dataclass(frozen=True)
class FileList:
    """The files that were found, the official parts one behind the other: training, validation, test.

    Args:
        files: at least one of each of two classes, or at least one with a value.
        classes: their names, in order, or as they were said; none where values are predicted.
        report: what was found, one (subject, remark) a line.
    """

    files: tuple[Named, ...]
    classes: tuple[str, ...]
    report: tuple[tuple[str, str], ...] = field(default=())

    def only(self, places: Sequence[int]) -> "FileList":
        """Return the list with the files at some places alone."""
        return replace(self, files=tuple(self.files[place] for place in places))

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
    values: bool = False,
    instead: str = "",
) -> FileList:
    """List the files of a folder with their classes, or with their values.

    The class of a file is the folder that it is in, below `root` or below `root/train`, `root/val`, `root/test`,
    which are then official parts; or what a manifest or a pattern says.

    Args:
        root: the folder.
        suffixes: of the files, in small letters.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` (from `root`) and `target`, and perhaps `split` and `group`.
        pattern: a regular expression for paths from `root`, with `(?P<label>…)`, and perhaps `(?P<group>…)` and
            `(?P<test>…)`, which is not empty for files of the official test part.
        values: whether what stands in the place of a class is a number to predict.
        instead: the option of `data` for classes where these are values, and the other way round; a refusal names
            it.

    Raises:
        ConfigError: if there are no files, no classes, or the class or value of a file cannot be told.
    """
    _check_keys(root, classes, labels, pattern, values=values)
    report: list[tuple[str, str]] = []
    if labels is not None:
        found = list(_in_manifest(root, labels, report, NA_VALUES if values else ("",)))
    elif pattern is not None:
        found = list(_matching(root, suffixes, pattern, report))
    else:
        found = list(_in_folders(root, suffixes, report))
        _require_no_masks(root, found)
    key = "data.pattern" if pattern is not None else "data.path" if labels is None else "data.labels"
    names: list[str] = []
    if values:
        found = _with_values(found, key, instead)
    else:
        found, names = _with_classes(root, found, classes, "data.path" if labels is None else key, instead, report)
    order = {"": 0, "train": 0, "val": 1, "test": 2}
    found.sort(key=lambda file: (order[file.part], str(file.path)))
    if order[found[0].part]:
        raise ConfigError([Problem("data.path", f"{root.absolute()} has no file to train on")])
    trained = {file.label for file in found if not order[file.part]}
    if unseen := [name for name in names if name not in trained and any(file.label == name for file in found)]:
        report.append(("classes", f"no file to train on is of {_some(unseen)}"))
    report.insert(0, ("files", f"{len(found):,}{_of(found, names)}"))
    return FileList(tuple(found), tuple(names), tuple(report))


def _with_values(found: Sequence[Named], key: str, instead: str) -> list[Named]:
    """Return files with their values.

    Raises:
        ConfigError: if one has none.
    """
    labels = [file.label for file in found]
    try:
        column = decide("target", labels, na_values=(), decimal="auto", kind="numeric")
    except ValueError as error:
        rule = str(error).replace("target has cells", "has targets", 1)
        if key == "data.path":
            rule = f"{rule}, as the folders are called: name a table of path and target by data.labels"
        advice = f"; for classes choose data={instead}" if instead else ""
        raise ConfigError([Problem(key, f"{rule}{advice}")]) from error
    numbers = parse_numbers(column, labels, ())[0].tolist()
    return [replace(file, value=value) for file, value in zip(found, numbers, strict=True)]


def _of(found: Sequence[Named], names: Sequence[str]) -> str:
    """Return what the files show, in words."""
    if names:
        return f" of {counted(len(names), 'class', 'classes')}"
    values = [file.value for file in found]
    return f", values from {min(values):g} to {max(values):g}"


def _with_classes(
    root: Path,
    found: list[Named],
    classes: Sequence[str] | None,
    key: str,
    instead: str,
    report: list[tuple[str, str]],
) -> tuple[list[Named], list[str]]:
    """Return the files that are of a class, and the names of the classes.

    Raises:
        ConfigError: if these are no set of classes.
    """
    names = sorted({file.label for file in found})
    require_classes(names, key, regression=instead)
    if classes is not None:
        absent = [name for name in classes if name not in names]
        if len(absent) == len(classes):
            rule = f"no file is of {', '.join(absent)}; the classes are {_some(names)}"
            raise ConfigError([Problem("data.classes", rule)])
        if absent:
            report.append(("classes", f"no file is of {', '.join(absent)}"))
        if others := [name for name in names if name not in classes]:
            count = sum(file.label in others for file in found)
            report.append(("left out", f"{_files(count)} of {_some(others)}, which data.classes lacks"))
        found, names = [file for file in found if file.label in classes], list(classes)
    else:
        names = in_order(names)
    if len(names) < 2:
        raise ConfigError([Problem("data.path", f"{root.absolute()} has one class only: {', '.join(names)}")])
    return found, names


def files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names.

    Hidden ones are left out; links to folders are followed, once each, but not those to a folder that they are in.
    """
    seen: set[str] = set()
    for home, inside, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(home)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not (name.startswith(".") or _holds(Path(home, name), real)))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(home) / name


def _check_keys(
    root: Path, classes: Sequence[str] | None, labels: Path | None, pattern: str | None, *, values: bool
) -> None:
    problems = []
    if not root.is_dir():
        problems.append(Problem("data.path", f"must be a folder, got {root.absolute()}"))
    if labels is not None and not labels.is_file():
        problems.append(Problem("data.labels", f"there is no file {labels.absolute()}"))
    if labels is not None and pattern is not None:
        problems.append(
            Problem("data.pattern", f"cannot be used with data.labels, got {pattern}; set one to null")
        )
    if classes is not None and values:
        problems.append(Problem("data.classes", f"is for classes, and values are predicted, got {list(classes)}"))
    elif classes is not None and (len(classes) < 2 or len(set(classes)) < len(classes)):
        problems.append(Problem("data.classes", f"must be two different names or more, got {list(classes)}"))
    if problems:
        raise ConfigError(problems)


def _in_folders(root: Path, suffixes: Collection[str], report: list[tuple[str, str]]) -> Iterator[Named]:
    folders = _folders_in(root)
    parts = {folder: part_named(folder.name) or "" for folder in folders}
    official = "train" in parts.values() and (len(folders) == 1 or len({*parts.values()} - {""}) > 1)
    parts = parts if official else dict.fromkeys(folders, "")
    if official and (others := [folder.name for folder, part in parts.items() if not part]):
        report.append(("left out", f"{_some(others)}, which is none of train, val and test"))
    empty, count = [], 0
    for folder, part in parts.items():
        for home in [folder] if not official else _folders_in(folder) if part else []:
            inside = list(files_below(home, suffixes))
            count += len(inside)
            if not inside:
                empty.append(home.relative_to(root).as_posix())
            yield from (Named(file, home.name, part) for file in inside)
    if not count:
        there = _some(sorted(entry.name for entry in root.iterdir())) or "nothing"
        rule = f"has no folder a class with {_kinds(suffixes)} files in it (it has {there})"
        raise ConfigError([Problem("data.path", f"{root.absolute()} {rule}")])
    if empty:
        report.append(("classes", f"no {_kinds(suffixes)} file is in {_some(empty)}"))
    homes = [root, *(folder for folder, part in parts.items() if part)]
    loose = [entry for home in homes for entry in home.iterdir() if entry.suffix.lower() in suffixes]
    if loose := [entry for entry in loose if entry.is_file() and not entry.name.startswith(".")]:
        report.append(("left out", f"{_files(len(loose))} in no folder of a class"))


def _require_no_masks(root: Path, found: Sequence[Named]) -> None:
    """Refuse a folder of masks beside the pictures that they belong to: these are no two classes."""
    stems: dict[str, set[str]] = {}
    for file in found:
        stems.setdefault(file.label, set()).add(_MASK_ENDS.sub("", file.path.stem.lower()))
    for masks in (label for label in stems if label.lower() in _MASKS):
        for other, own in stems.items():
            if other != masks and len(own & stems[masks]) > len(stems[masks]) / 2:
                rule = (
                    f"has in {masks} a file for each in {other}, as masks for segmentation are; a picture gets one"
                )
                advice = "class here, and other targets need a data module and a task of your own"
                raise ConfigError([Problem("data.path", f"{root.absolute()} {rule} {advice}")])


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
    has_test, count = "test" in expression.groupindex, 0
    others = []
    for file in files_below(root, suffixes):
        name = file.relative_to(root).as_posix()
        match = expression.fullmatch(name)
        if match is None or not match["label"]:
            others.append(name)
            continue
        found = match.groupdict()
        part = ("test" if found["test"] else "train") if has_test else ""
        count += 1
        yield Named(file, found["label"], part, found.get("group") or "")
    if not count:
        there = f"none of {_files(len(others))}, such as {others[0]}" if others else "no file: there is none"
        raise ConfigError([Problem("data.pattern", f"matches {there}, got {pattern}")])
    if others:
        report.append(("left out", f"{_files(len(others))} that data.pattern does not match, such as {others[0]}"))


def _in_manifest(
    root: Path, labels: Path, report: list[tuple[str, str]], absent: Collection[str]
) -> Iterator[Named]:
    """Yield the files that a table names, but for those whose target is one of `absent`."""
    try:
        table = read_table(labels)
    except (OSError, ValueError) as error:
        raise ConfigError([Problem("data.labels", str(error))]) from error
    if lacking := [name for name in ("path", "target") if name not in table]:
        rule = f"must have the columns path and target, and lacks {' and '.join(lacking)}"
        raise ConfigError([Problem("data.labels", f"{rule} (it has {', '.join(table)})")])
    problems = []
    if missing := [name for name in table["path"] if not (root / name).is_file()]:
        problems.append(f"names {_files(len(missing))} not in {root.absolute()}, such as {missing[0]}")
    if twice := [name for name, count in Counter(table["path"]).items() if count > 1]:
        problems.append(f"names {_files(len(twice))} more than once, such as {twice[0]}; a file has one target")
    count = len(table["path"])
    parts = [part_named(word) for word in table["split"]] if "split" in table else [""] * count
    if unknown := sorted({word for word in table.get("split", ()) if part_named(word) is None}):
        problems.append(f"split must be train, val or test, got {_some(list(map(repr, unknown)))}")
    targets = [cell.strip() for cell in table["target"]]
    if all(target in absent for target in targets):
        problems.append("has no target in any row")
    if problems:
        raise ConfigError([Problem("data.labels", problem) for problem in problems])
    if without := sum(target in absent for target in targets):
        report.append(("left out", f"{_files(without)} without a target"))
    groups = table.get("group", [""] * count)
    for name, target, part, group in zip(table["path"], targets, parts, groups, strict=True):
        if target not in absent:
            yield Named(root / name, target, part or "", group.strip())


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden and not links to one that they are in."""
    real = os.path.realpath(folder)
    inside = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(entry for entry in inside if not _holds(entry, real))


def _holds(link: Path, real: str) -> bool:
    """Return True if a path is a link to a real folder or to one that holds it."""
    if not link.is_symlink():
        return False
    target = os.path.realpath(link)
    return os.path.commonpath([target, real]) == target


def _kinds(suffixes: Collection[str]) -> str:
    return ", ".join(sorted(suffix[1:] for suffix in suffixes))


def _files(count: int) -> str:
    return counted(count, "file")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
