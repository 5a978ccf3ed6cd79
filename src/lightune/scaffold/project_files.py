"""The files of a new project, and what has changed in them since a project was made.

They stand in `starters/` as text, `common/` those of every starter; `my_project` in them is the project's name.
This module must not import torch or Lightning.
"""

import difflib
import hashlib
import json
import keyword
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightune.config.project import FILE, Project
from lightune.errors import ConfigError, Problem

__all__ = ["STARTERS", "Change", "changes_since", "name_problem", "project_files", "write_project"]

_STARTERS = Path(__file__).parent / "starters"
_COMMON = "common"
_SUFFIX = ".txt"
_NAME = "my_project"
_NOTES = "\n[tool.lightune.scaffold]"
_TAKEN = ("tests", "train", "conf", "outputs")
_DIGITS = 16  # of a digest: enough to tell versions of one file apart


@dataclass(frozen=True)
class Starter:
    """What is said of a kind of project.

    Args:
        summary: what it does with the sample that comes with lightune.
        data: how data of one's own are named.
        accuracy: of validation, that the baseline exceeds after ten epochs; in [0, 1].
    """

    summary: str
    data: str
    accuracy: float


STARTERS = {
    "table": Starter(
        "Classes of the rows of a table", "`data.path` of a CSV file, `data.target`, the column to predict", 0.8
    ),
    "image": Starter("Classes of pictures", "`data.path` of a folder with a folder of pictures a class", 0.5),
    "text": Starter(
        "Classes of texts", "`data.path` of a CSV file, `data.text` and `data.target`, two columns of it", 0.2
    ),
    "audio": Starter("Classes of sounds", "`data.path` of a folder with a folder of sounds a class", 0.2),
    "minimal": Starter("Handwritten digits", "another option of `data` in the place of `digits`", 0.5),
}


@dataclass(frozen=True)
class Change:
    """A file that a project made today would have otherwise.

    Args:
        file: its path in the project.
        state: what the project has: `missing`, `as it was made`, or `edited`.
        difference: from the project's file to today's, as a unified diff.
    """

    file: str
    state: str
    difference: str


def name_problem(name: str) -> str | None:
    """Return what is wrong with the name of a project; None if a package may have it.

    Args:
        name: of the project's folder and of its package.
    """
    better = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name.lower())
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        hint = f"; {better} would be" if better.isidentifier() and not keyword.iskeyword(better) else ""
        return f"must be a name that a Python package can have, got {name}{hint}"
    spec = find_spec(name)
    if name in (*sys.stdlib_module_names, *_TAKEN) or (spec is not None and spec.origin is not None):
        return f"must be a name that no other package has, got {name}; my_{name} would be"
    return None


def project_files(starter: str, name: str) -> dict[str, str]:
    """Return the text of each file of a project, by its path; their order is that in which they are read.

    Args:
        starter: one of `STARTERS`.
        name: of the package.
    """
    texts = {
        file.relative_to(folder).as_posix().removesuffix(_SUFFIX): file.read_text(encoding="utf-8")
        for folder in (_STARTERS / _COMMON, _STARTERS / starter)
        for file in sorted(folder.rglob(f"*{_SUFFIX}"))
    }
    kind = STARTERS[starter]
    words = {
        "my_summary": kind.summary,
        "my_data": kind.data,
        "my_accuracy": str(kind.accuracy),
        "my_version": version("lightune"),
        _NAME: name,
    }
    files = {}
    for file, text in sorted(texts.items()):
        for word, meant in words.items():
            text = text.replace(word, meant)
        files[file.replace(_NAME, name)] = text
    notes = {"starter": starter, "version": version("lightune")}
    digests = "\n".join(f"{json.dumps(file)} = {json.dumps(_digest(text))}" for file, text in files.items())
    noted = "\n".join(f"{key} = {json.dumps(value)}" for key, value in notes.items())
    files[FILE] += (
        f"{_NOTES} # for `lightune init --check`\n{noted}\n\n[tool.lightune.scaffold.files]\n{digests}\n"
    )
    return files


def write_project(folder: Path, starter: str) -> list[str]:
    """Write the files of a project into a folder that is empty, or made here.

    Args:
        folder: whose name is the package's.
        starter: one of `STARTERS`.

    Returns:
        The paths of the files in it.

    Raises:
        ConfigError: if the name cannot be, or there is something already; nothing was written.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError([Problem("init", f"there is something at {folder} already; choose another name")])
    if problem := name_problem(folder.name):
        raise ConfigError([Problem("init", problem)])
    files = project_files(starter, folder.name)
    try:
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem("init", f"{folder} cannot be written ({error.strerror or error})")]) from error
    return list(files)


def changes_since(project: Project) -> list[Change]:
    """Return what a project made today by the same starter would have otherwise than when this one was made.

    What was only edited in the project is none: its own code and configuration are its own.

    Args:
        project: made by `write_project`.

    Raises:
        ConfigError: if it was not, or its name has been changed since.
    """
    noted: Any = project.scaffold or {}
    starter, digests = noted.get("starter"), noted.get("files")
    if starter not in STARTERS or not isinstance(digests, dict):
        rule = f"{project.root / FILE} does not say by which starter the project was made"
        raise ConfigError([Problem("init --check", f"{rule}; it is for those that `lightune init` has made")])
    return list(_changes(project, starter, digests))


def _changes(project: Project, starter: str, digests: dict[str, str]) -> Iterator[Change]:
    name = next(iter(project.packages), project.root.name)
    for file, text in project_files(starter, name).items():
        before = digests.get(file)
        if _digest(_without_notes(text)) == before:
            continue
        path = project.root / file
        own = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if own is not None and _without_notes(own) == _without_notes(text):
            continue
        kept = own is not None and _digest(_without_notes(own)) == before
        state = "missing" if own is None else "as it was made" if kept else "edited"
        here, today = (_without_notes(each or "").splitlines(keepends=True) for each in (own, text))
        difference = difflib.unified_diff(here, today, f"{file} (here)", f"{file} (today)")
        yield Change(file, state, "".join(difference))


def _without_notes(text: str) -> str:
    return text.partition(_NOTES)[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
