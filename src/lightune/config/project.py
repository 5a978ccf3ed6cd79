"""A project of one's own: what its `pyproject.toml` says of its code and its configuration files.

```toml
[tool.lightune]
trust = ["my_project"]  # packages beside pyproject.toml that configurations may name
conf = "conf"           # folder of configuration files, on the search path before lightune's own
```

The file is the project's own, as its Makefile is: it is read where the user works, never where a run or a study
lies. This module must not import torch or Lightning.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightune.config.static.annotations import did_you_mean
from lightune.config.trust import trust
from lightune.errors import ConfigError, Problem

__all__ = ["FILE", "Project", "conf_in_use", "enter_project", "project_of"]

FILE = "pyproject.toml"
TABLE = "tool.lightune"
_TABLE = f"[{TABLE}"
_KEYS = {
    "trust": "a list of names of packages",
    "conf": "the name of a folder",
    "scaffold": "what `lightune init` notes",
}
_CONF = "conf"
_entered: list["Project"] = []


@dataclass(frozen=True)
class Project:
    """What a project says of itself.

    Args:
        root: its folder, absolute.
        packages: that configurations may name.
        conf: its configuration files; None if it has none.
        scaffold: what `lightune init` noted when it made the project.
    """

    root: Path
    packages: tuple[str, ...] = ()
    conf: Path | None = None
    scaffold: dict[str, Any] | None = None


def project_of(folder: Path) -> Project | None:
    """Return the project that a folder, or the nearest one above it, is; None if there is none.

    A file of another user is passed by: whoever may write above a folder would otherwise choose its code.

    Args:
        folder: where to begin.

    Raises:
        ConfigError: if its `pyproject.toml` cannot be read, or says what cannot be.
    """
    folder = folder.absolute()
    for root in (folder, *folder.parents):
        if (table := _table_of(root / FILE)) is not None:
            return _judged(root, table)
    return None


def enter_project(folder: Path) -> Project | None:
    """Trust the packages of the project at a folder, and read its configuration files, from now on.

    Args:
        folder: of the project, or below it.

    Raises:
        ConfigError: if its `pyproject.toml` cannot be read, or says what cannot be.
    """
    _entered.clear()
    project = project_of(folder)
    if project is None:
        return None
    trust(*project.packages)
    sys.path += [str(place) for place in _places(project.root) if str(place) not in sys.path]
    _entered.append(project)
    return project


def conf_in_use() -> Path | None:
    """Return the folder of configuration files of the project that was entered; None if there is none."""
    return _entered[0].conf if _entered else None


def _places(root: Path) -> list[Path]:
    """Return the folders of a project that Python finds its packages in."""
    return [place for place in (root, root / "src") if place.is_dir()]


def _is_there(root: Path, top: str) -> bool:
    beside = any((place / name).exists() for place in _places(root) for name in (top, f"{top}.py"))
    return beside or importlib.util.find_spec(top) is not None


def _table_of(file: Path) -> dict[str, Any] | None:
    try:
        status = file.stat()
        content = file.read_bytes()
    except OSError:
        return None
    if _TABLE.encode() not in content or (hasattr(os, "getuid") and status.st_uid not in (os.getuid(), 0)):
        return None
    import tomllib  # which few have need of

    try:
        table: Any = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise ConfigError(
            [Problem(str(file), f"cannot be read ({error}); mend it, or leave {_TABLE}] away")]
        ) from error
    for name in TABLE.split("."):
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _judged(root: Path, table: dict[str, Any]) -> Project:
    problems = list(_problems(root, table))
    if problems:
        raise ConfigError(problems)
    conf = root / table.get("conf", _CONF)
    return Project(root, tuple(table.get("trust", ())), conf if conf.is_dir() else None, table.get("scaffold"))


def _problems(root: Path, table: dict[str, Any]) -> Iterator[Problem]:
    where = f"{root / FILE}: {TABLE}"
    for key in table:
        if key not in _KEYS:
            known = " and ".join(name for name in _KEYS if name != "scaffold")
            yield Problem(f"{where}.{key}", f"is no key; {known} are.{did_you_mean(key, _KEYS)}")
    packages = table.get("trust", [])
    if not isinstance(packages, list):
        yield Problem(f"{where}.trust", f"must be {_KEYS['trust']}, got {packages!r}")
        packages = []
    for name in packages:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            yield Problem(f"{where}.trust", f"must be {_KEYS['trust']}, such as my_project, got {name!r}")
        elif not _is_there(root, name.partition(".")[0]):
            rule = f"must name packages beside {FILE}, or installed ones"
            yield Problem(f"{where}.trust", f"{rule}; there is no {name}")
    conf = table.get("conf")
    if conf is not None and (not isinstance(conf, str) or not (root / conf).is_dir()):
        yield Problem(f"{where}.conf", f"must be {_KEYS['conf']} beside {FILE}, got {conf!r}")
