"""Which version of the user's own code there is: a digest of the sources that a configuration may call.

What is trusted beside the parts that ship counts, with all modules beside it that it imports; of what is
installed, its version. This module imports none of them, and must not import torch or Lightning.
"""

import functools
import hashlib
import importlib.util
import json
import os
import re
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lightune.config.trust import BUILT_IN, trusted

__all__ = ["OwnCode", "changed_code", "loaded_code", "own_code"]

_MOST_FILES = 1000
_MOST_BYTES = 8 << 20
"""Of all files together; what lies beyond is known by its size alone."""
_SUFFIXES = (".py", ".so", ".pyd")
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(\w+)[\w.]*[ \t]+import\b|import[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*))", re.MULTILINE
)
_INSTALLED = {"site-packages", "dist-packages"}
_LEFT_OUT = {"__pycache__", "node_modules", "outputs"}
_OURS = "lightune"


@dataclass(frozen=True)
class OwnCode:
    """A version of the user's code.

    Args:
        files: path, from the folder that Python finds it in, → SHA-256; package → version, of what is installed.
    """

    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all files and versions."""
        return hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()


def own_code(targets: Collection[str] = (), script: Path | None = None) -> OwnCode:
    """Read the code that is there now.

    Args:
        targets: dotted paths of what else is called; of these, what is installed is left out.
        script: that was started, if it is the user's.
    """
    return OwnCode(dict(_read(_Reader(), targets, script)))


def loaded_code() -> OwnCode:
    """Return the code that this process works with: a module that was imported stays what its file was then.

    It is to be called as soon as the parts of a run are imported, and costs about a millisecond.
    """
    return OwnCode(dict(_read(_Reader(loaded=True))))


def changed_code(began: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the files and packages that were edited, added or removed, sorted.

    Args:
        began: as `OwnCode.files` had them.
        now: as it has them now.
    """
    return sorted(name for name in {*began, *now} if began.get(name) != now.get(name))


class _Reader:
    """Read files, as far as that is cheap, and note what they import.

    Args:
        loaded: whether a module that was imported is what its file was when it was first met.
    """

    def __init__(self, *, loaded: bool = False) -> None:
        self.imports: list[str] = []
        self._loaded, self._files, self._bytes = loaded, 0, 0

    def named(self, root: Path, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
        """Yield the path of each file from the folder that Python finds it in, and its digest."""
        for file in files:
            name = file.relative_to(root)
            module = ".".join(name.with_suffix("").parts).removesuffix(".__init__")
            yield name.as_posix(), self._digest(file, sys.modules.get(module) if self._loaded else None)

    def _digest(self, file: Path, module: object) -> str:
        try:
            size = file.stat().st_size
            self._files, self._bytes = self._files + 1, self._bytes + size
            if self._files > _MOST_FILES or self._bytes > _MOST_BYTES:
                return f"{size} bytes"
            content = file.read_bytes()
        except OSError:
            return "unreadable"
        for head, listed in _IMPORT.findall(content) if file.suffix == ".py" else ():
            names = [head] if head else listed.split(b",")
            self.imports += (name.strip().decode().partition(".")[0] for name in names)
        digest = hashlib.sha256(content).hexdigest()
        if module is None or getattr(module, "__file__", None) != str(file):
            return digest
        known = _first_met.get(file)
        if known is None or known[0]() is not module:
            _first_met[file] = known = (weakref.ref(module), digest)
        return known[1]


_first_met: dict[Path, tuple[Callable[[], object], str]] = {}
"""File → its module, and what the file was when that was met."""


def _read(read: _Reader, targets: Collection[str] = (), script: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each file of the packages, and of those that they import."""
    given = [name.partition(".")[0] for name in trusted()]
    waiting = [*given, *(name.partition(".")[0] for name in targets)]
    yield from _of_lightune(Path(__file__).parents[2])
    if script is not None:
        yield from read.named(script.parent, [script])
        waiting += read.imports
    seen = {_OURS, "__main__"}
    while waiting:
        top = waiting.pop()
        if top in seen or top in sys.stdlib_module_names:
            continue
        seen.add(top)
        place = None if top in _installed else _place_of(top)
        if place is not None and _INSTALLED & set(place[0].parts):
            _installed.add(top)
        if top in _installed:
            if top in given:
                yield from _of_installed(top)
        elif place is not None:
            read.imports = []
            yield from read.named(*place)
            waiting += read.imports


_installed: set[str] = set()
"""Packages that were found to be installed: to ask for them again would take longer than all the rest."""


@functools.cache
def _of_lightune(root: Path) -> tuple[tuple[str, str], ...]:
    """Return the version of lightune, and where it is no installed package, the parts that somebody may edit."""
    version = (_OURS, metadata.version(_OURS))
    if _INSTALLED & set(root.parts):
        return (version,)
    groups = [
        entry.split(".")[:-1] for entry in BUILT_IN if entry.startswith(f"{_OURS}.") and entry.endswith(".*")
    ]
    files = [file for group in groups for file in _files_below(root.joinpath(*group))]
    return (version, *_Reader().named(root, files))


def _of_installed(top: str) -> Iterator[tuple[str, str]]:
    with suppress(metadata.PackageNotFoundError):
        yield top, metadata.version(top)
        return
    if (place := _place_of(top)) is not None:  # its distribution has another name
        yield from _Reader().named(*place)


def _place_of(top: str) -> tuple[Path, list[Path]] | None:
    """Return the folder that Python finds a module or package in, and its files; None if it has none."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec is not None else []
    if folders:
        return folders[0].parent, _files_below(folders[0])
    if spec is not None and spec.has_location and spec.origin:
        return Path(spec.origin).parent, [Path(spec.origin)]
    return None


def _files_below(folder: Path) -> list[Path]:
    files: list[Path] = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _LEFT_OUT)
        files += (Path(place, name) for name in sorted(names) if name.endswith(_SUFFIXES))
        if len(files) > _MOST_FILES:
            break
    return files
