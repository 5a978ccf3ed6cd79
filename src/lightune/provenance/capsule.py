"""A capsule: one file that holds what it takes to have every figure of a study or run again.

It is a zip archive. `capsule.json` says what is where; `content/` holds the study or run, `data/` its data and
pretrained weights, `code/` the user's own code. This module must not import torch or Lightning.
"""

import hashlib
import json
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from lightune.config.trust import trusted
from lightune.errors import ConfigError, Problem
from lightune.runtime.contained import is_below

__all__ = ["CODE", "CONTENT", "DATA", "MANIFEST", "Capsule", "opened"]

MANIFEST = "capsule.json"
CONTENT, DATA, CODE = "content", "data", "code"
_SCHEMA = 1
_MOST_FILES = 200_000
_MOST_BYTES = 64 << 30
_CHUNK = 1 << 20
_KEYS = ("data.", "model.")
"""What the keys of a configuration begin with that a capsule may say anew: where files lie."""


@dataclass(frozen=True)
class Capsule:
    """What `capsule.json` says.

    Args:
        name: of the study or run.
        path: of its folder in the capsule.
        is_study: whether it is a study.
        lightune: version that packed it.
        files: path → SHA-256 of every other file.
        places: key of the configuration → path in the capsule of what it names.
        left_out: what belongs to it and is not in it, with the reason.
        hidden: paths of files in which a credential was replaced by `***`.
    """

    name: str
    path: str
    is_study: bool
    lightune: str
    files: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    hidden: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"schema": _SCHEMA, **asdict(self)}


@dataclass(frozen=True)
class Opened:
    """A capsule whose files lie in a folder.

    Args:
        about: what it says of itself.
        folder: of its files.
    """

    about: Capsule
    folder: Path

    @property
    def path(self) -> Path:
        """The folder of the study or run."""
        return self.folder / self.about.path

    @property
    def places(self) -> dict[str, str]:
        """Key of the configuration → absolute path of what it names."""
        return {key: str((self.folder / path).absolute()) for key, path in self.about.places.items()}


@contextmanager
def opened(file: Path) -> Iterator[Opened]:
    """Unpack a capsule, which may be somebody else's, into a temporary folder.

    Nothing is written outside of that folder, and nothing is run. Every file is what the capsule says it is. Its
    code is found as long as the context lasts, as far as it is trusted by name.

    Raises:
        ConfigError: if it is no capsule, or damaged, or holds what none holds.
    """
    with TemporaryDirectory(prefix="lightune-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        try:
            with zipfile.ZipFile(file) as archive:
                about = _read(file, archive)
                _unpack(file, archive, about, folder)
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise _refusal(file, f"is no capsule of lightune pack, or damaged ({error})") from error
        with _trusted_code(folder / CODE):
            yield Opened(about, folder)


def _read(file: Path, archive: zipfile.ZipFile) -> Capsule:
    """Read what a capsule says of itself, and judge what it holds before anything is written.

    Raises:
        ConfigError: with what is wrong.
    """
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        raise _refusal(file, "holds more than any capsule")
    if len({*names}) < len(names):
        raise _refusal(file, "holds two files of one name")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.is_dir():
            raise _refusal(file, f"holds {member.filename!r}, which is no plain file")
        if not _is_plain(member.filename):
            raise _refusal(file, f"holds {member.filename!r}, which would lie outside of it")
    if MANIFEST not in names:
        raise _refusal(file, f"is no capsule: it has no {MANIFEST}")
    about = _about(file, archive.read(MANIFEST))
    unlisted = {*names} - {MANIFEST, *about.files}
    missing = {*about.files} - {*names}
    for odd, what in ((unlisted, "it does not list"), (missing, "are missing")):
        if odd:
            raise _refusal(file, f"is not what was packed: files that {what}, such as {min(odd)}")
    return about


def _is_plain(name: str) -> bool:
    """Tell whether a name is a path below the folder it is unpacked to, on any system."""
    parts = PurePosixPath(name).parts
    return is_below(name) and "\\" not in name and ":" not in parts[0] and name == "/".join(parts)


def _about(file: Path, content: bytes) -> Capsule:
    """Read `capsule.json`.

    Raises:
        ConfigError: if it is none.
    """
    try:
        said = json.loads(content)
        if said.pop("schema") != _SCHEMA:
            raise _refusal(file, "was packed by a newer lightune; upgrade to open it")
        about = Capsule(**said)
        sound = (
            isinstance(about.name, str)
            and isinstance(about.is_study, bool)
            and is_below(about.path)
            and all(isinstance(digest, str) and is_below(name) for name, digest in about.files.items())
            and all(key.startswith(_KEYS) and is_below(path) for key, path in about.places.items())
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refusal(file, f"has a {MANIFEST} that cannot be read ({error})") from error
    if not sound:
        raise _refusal(file, f"has a {MANIFEST} that no lightune wrote")
    return about


def _unpack(file: Path, archive: zipfile.ZipFile, about: Capsule, folder: Path) -> None:
    """Write the files of a capsule that was judged.

    Raises:
        ConfigError: if one is not what the capsule says.
    """
    for name, digest in about.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        hashed = hashlib.sha256()
        with archive.open(name) as source, target.open("xb") as written:
            while chunk := source.read(_CHUNK):
                hashed.update(chunk)
                written.write(chunk)
        if hashed.hexdigest() != digest:
            raise _refusal(file, f"is damaged: {name} is not what was packed")


def _refusal(file: Path, rule: str) -> ConfigError:
    return ConfigError([Problem(str(file), rule)])


class _TrustedCode(MetaPathFinder):
    """Finds those modules of a folder that are trusted by name, after all others.

    Args:
        folder: of the code.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a trusted module begins; what lies below it, its package finds."""
        if path is not None or not any(f"{name}.".startswith(f"{fullname}.") for name in trusted()):
            return None
        return PathFinder.find_spec(fullname, [str(self._folder)], target)


@contextmanager
def _trusted_code(folder: Path) -> Iterator[None]:
    finder = _TrustedCode(folder)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
