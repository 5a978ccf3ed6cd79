"""Pack a study or run into a capsule: what it takes to have every figure again, and no credential.

This module must not import torch or Lightning, nor Optuna.
"""

import hashlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.own_code import own_code
from lightune.config.trust import is_trusted
from lightune.paths import STUDY_FILE, expanded
from lightune.provenance.capsule import CODE, CONTENT, DATA, MANIFEST, Capsule
from lightune.provenance.crate import FILE_NAME as CRATE
from lightune.provenance.crate import crate
from lightune.provenance.recorded import Recorded, read_recorded
from lightune.reporting.result import FILE_NAME as RESULT
from lightune.runtime.atomic_files import json_text, whole_file
from lightune.runtime.credentials import credentials_of, is_credential_file, without_credentials
from lightune.study.outputs.reader import StudyOnDisk, open_study

__all__ = ["Packed", "pack"]

REQUIREMENTS, README = "requirements.txt", "README.md"
_MOST_DATA = 100_000_000  # bytes
_DAWN = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive knows: the same content gives the same file
_TEXTS = {".json", ".yaml", ".csv", ".txt", ".md", ".html", ".diff", ".py", ".log", ".toml", ".cfg", ".ini"}
_OF_STUDY = (STUDY_FILE, "trials.csv", "best.yaml", "analysis.json", "report.html", "conf/**/*", "provenance/*")
_OF_RUN = (
    ".hydra/config.yaml", ".hydra/overrides.yaml", "resumed.yaml", RESULT, "data.json", "environment.json",
    "uncommitted.diff", "curves.csv", "fits/*/fit.json", "fits/*/curves.csv",
)  # fmt: skip
_OF_BEST = ("train.log", "classes_*.csv", "confusion_*.csv", "fits/*/classes_*.csv")
_OF_SAMPLES = ("predictions*", "mistakes_*.csv", "mislabelled.csv", "fits/*/predictions*", "fits/*/mistakes_*.csv")
"""What says something of each sample."""
_CHECKPOINT = ("best.ckpt", "best.ckpt.sha256")
_LAST = ("last.ckpt", "last.ckpt.sha256")
_NAMES_A_PLACE = {"path", "root", "labels", "weights", "folder", "directory", "dir", "file", "files", "tokenizer"}


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Args:
        file: the capsule.
        about: what it says of itself.
        bytes: its size.
    """

    file: Path
    about: Capsule
    bytes: int


@dataclass
class _Packing:
    """What goes into a capsule, while it is gathered.

    Args:
        credentials: values that must not go into it.
    """

    credentials: list[str]
    files: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def take(self, name: str, file: Path) -> None:
        """Take a file; a text without its credentials."""
        if is_credential_file(name):
            self.left_out.append(f"{name}: it is there to hold credentials")
        elif file.suffix in _TEXTS:
            self.write(name, file.read_bytes())
        elif self._holds_credentials(file):
            self.left_out.append(f"{name}: it holds a credential")
        else:
            self.files[name] = file

    def write(self, name: str, content: bytes) -> None:
        """Take a text, without its credentials."""
        text = content.decode("utf-8", "surrogateescape")
        clean = without_credentials(text, self.credentials)
        if clean != text:
            self.hidden.append(name)
        self.texts[name] = clean.encode("utf-8", "surrogateescape")

    def _holds_credentials(self, file: Path) -> bool:
        content = file.read_bytes()
        if any(value.encode() in content for value in self.credentials):
            return True
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:  # of a checkpoint: what is no tensor
            plain = [name for name in archive.namelist() if name.endswith(".pkl")]
            text = "".join(archive.read(name).decode("latin-1") for name in plain)
        return without_credentials(text) != text


def pack(
    path: Path, file: Path, *, best: Callable[[Path], Path], checkpoints: bool = True, data: bool = True
) -> Packed:
    """Pack a study or run.

    Args:
        path: its folder.
        file: the capsule.
        best: takes the folder of a study and returns that of its best trial.
        checkpoints: whether the best checkpoint is packed, and the weights that it builds on.
        data: whether the data are, as far as they are files of 100 MB together at most.

    Raises:
        ConfigError: if it is neither, or has no result yet.
        OSError: if the capsule cannot be written.
    """
    is_study = (path / STUDY_FILE).is_file()
    study = open_study(path) if is_study else None
    chosen = read_recorded(best(path) if is_study else path)
    root, base = _root_of(path if is_study else chosen.run)
    folders = {Path.cwd(), Path(chosen.typed_in or Path.cwd())}
    packing = _Packing(credentials_of(folders))
    _take_content(packing, root, base, chosen, study, checkpoints=checkpoints, samples=data)
    _take_places(packing, chosen, data=data, weights=checkpoints)
    _take_code(packing, chosen)
    packing.write(REQUIREMENTS, "".join(_requirements(chosen)).encode())
    name = root.name if is_study else chosen.result.name
    packing.write(README, _readme(name, file.name).encode())
    return _written(packing, file, name, base, chosen, is_study=is_study)


def _root_of(folder: Path) -> tuple[Path, str]:
    """Return the folder that is packed, and its place in the capsule: of a trial, as it lies in its study."""
    folder = folder.absolute()
    for parent in list(folder.parents)[:4]:
        if (parent / STUDY_FILE).is_file():
            return folder, f"{CONTENT}/{folder.relative_to(parent).as_posix()}"
    return folder, CONTENT


def _take_content(
    packing: _Packing,
    root: Path,
    base: str,
    chosen: Recorded,
    study: StudyOnDisk | None,
    *,
    checkpoints: bool,
    samples: bool,
) -> None:
    """Take the files of the study and its trials, or of the run."""
    _take_matching(packing, root, base, _OF_STUDY if study is not None else ())
    runs = [study.trial_folder(row) for row in study.rows] if study is not None else [root]
    best = chosen.run.absolute()
    for run in runs:
        own = run.absolute()
        place = f"{base}/{own.relative_to(root).as_posix()}" if own != root else base
        _take_matching(packing, own, place, _OF_RUN)
        if own != best:
            continue
        _take_matching(packing, own, place, (*_OF_BEST, *(_OF_SAMPLES if samples else ())))
        for fit in [own, *own.glob("fits/*")] if checkpoints else ():
            kept = _CHECKPOINT if (fit / "checkpoints" / _CHECKPOINT[0]).is_file() else _LAST
            inner = f"{place}/{fit.relative_to(own).as_posix()}" if fit != own else place
            _take_matching(packing, fit, inner, [f"checkpoints/{name}" for name in kept])
    for name in ("environment", "diff_file") if study is None else ():
        file = chosen.beside(name)
        if file is not None and file.is_file() and file.parent.absolute() != root:
            packing.take(f"{CONTENT}/{file.parent.name}/{file.name}", file)


def _take_matching(packing: _Packing, folder: Path, place: str, patterns: Any) -> None:
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            if file.is_file() and not file.is_symlink():
                packing.take(f"{place}/{file.relative_to(folder).as_posix()}", file)


def _take_places(packing: _Packing, chosen: Recorded, *, data: bool, weights: bool) -> None:
    """Take the files and folders that the configuration's data and model name."""
    room = _MOST_DATA
    for key, text in _named_places(chosen.cfg):
        is_data = key.startswith("data.")
        if not (data if is_data else weights):
            packing.left_out.append(f"{key}: as it was asked for")
            continue
        source = Path(chosen.typed_in or ".", expanded(text))
        source = source if source.exists() else Path(expanded(text))
        if not source.exists():
            packing.left_out.append(f"{key}: there is no file or folder {text} here")
            continue
        files = list(_files_of(source))
        size = sum(file.stat().st_size for file in files)
        if is_data and size > room:
            packing.left_out.append(f"{key}: {size / 1e6:,.0f} MB, and there is room for {room / 1e6:,.0f} MB")
            continue
        room -= size if is_data else 0
        place = f"{DATA}/{len(packing.places)}/{source.resolve().name}"
        for file in files:
            name = place if file == source else f"{place}/{file.relative_to(source).as_posix()}"
            if is_credential_file(name):
                packing.left_out.append(f"{name}: it is there to hold credentials")
            else:
                packing.files[name] = file  # as it is: its digest was recorded
        packing.places[key] = place


def _named_places(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    """Yield key and value of what names a file or folder among the data and the model."""
    for group in ("data", "model"):
        node = cfg.get(group)
        for key in node if isinstance(node, DictConfig) else ():
            try:
                value = node[key]
            except OmegaConfBaseException:  # of the environment, say
                continue
            looks_like_one = str(key) in _NAMES_A_PLACE or (isinstance(value, str) and os.sep in value)
            if isinstance(value, str) and looks_like_one and str(key) != "_target_":
                yield f"{group}.{key!s}", value


def _files_of(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    for place, inner, names in os.walk(source):
        inner.sort()
        for name in sorted(names):
            if (file := Path(place, name)).is_file():
                yield file


def _take_code(packing: _Packing, chosen: Recorded) -> None:
    """Take the user's own code, where it is what the run was trained with."""
    foreign = sorted({target for target in _targets(chosen.cfg) if not is_trusted(target)})
    if foreign:
        names = ", ".join({name.partition(".")[0]: None for name in foreign})
        packing.left_out.append(
            f"code of {names}: it is not trusted by name (LIGHTUNE_TRUST={names.replace(' ', '')})"
        )
    now = own_code()
    own = [name for name in now.files if name.endswith(".py") and not name.startswith("lightune/")]
    if own and now.digest != chosen.provenance.get("code"):
        packing.left_out.append("code: it is not what the run was trained with any more")
        return
    for name in own:
        file = next((Path(place, name) for place in sys.path if Path(place, name).is_file()), None)
        if file is not None:
            packing.take(f"{CODE}/{name}", file)


def _targets(cfg: DictConfig) -> Iterator[str]:
    waiting: list[Any] = [OmegaConf.to_container(cfg, resolve=False)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(target := node.get("_target_"), str):
                yield target
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _requirements(chosen: Recorded) -> Iterator[str]:
    """Yield the lines of `requirements.txt`: every package by its version, or where it came from."""
    python = chosen.environment.get("python")
    yield f"# Python {python}\n"
    packages, sources = (chosen.environment.get(name) or {} for name in ("packages", "sources"))
    for name, version in sorted(packages.items()):
        source = sources.get(name)
        if source is None:
            yield f"{name}=={version}\n"
        elif source.startswith("a "):
            yield f"# {name}=={version} was installed from {source}\n"
        else:
            yield f"{name} @ {source}\n"


def _readme(name: str, file: str) -> str:
    return f"""# {name}

What it takes to have every figure again, packed by lightune {metadata.version("lightune")}. With it and the
packages of `{REQUIREMENTS}` (install first what is a comment there: it came from a folder or a repository):

    lightune reproduce {file}

trains it again and compares every figure and weight; `--all` does so with all trials of a study. Code that is not
lightune's own lies in `{CODE}/` and is run only where it is trusted by name (LIGHTUNE_TRUST=package).
`{MANIFEST}` lists the files with their digests, and what was left out.
"""


def _written(packing: _Packing, file: Path, name: str, base: str, chosen: Recorded, *, is_study: bool) -> Packed:
    """Write the capsule: files in the order of their names, without times."""
    ended = datetime.fromtimestamp((chosen.run / RESULT).stat().st_mtime, UTC).isoformat(timespec="seconds")
    known = sorted([*packing.texts, *packing.files])
    sizes = {
        each: len(packing.texts[each]) if each in packing.texts else packing.files[each].stat().st_size
        for each in known
    }
    described = crate(
        name,
        sizes,
        version=metadata.version("lightune"),
        ended=ended,
        results=[each for each in known if each.endswith((RESULT, ".ckpt", "trials.csv"))],
        inputs=[
            each for each in known if each.startswith((f"{DATA}/", f"{CODE}/")) or each.endswith("config.yaml")
        ],
        figures={key: value for key, value in chosen.result.metrics.items() if value is not None},
    )
    packing.texts[CRATE] = json_text(described).encode()
    digests: dict[str, str] = {}
    with whole_file(file, binary=True) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted([*packing.texts, *packing.files]):
            digests[each] = _add(archive, each, packing)
        about = Capsule(
            name, base, is_study, metadata.version("lightune"), digests, packing.places, packing.left_out,
            sorted(packing.hidden),
        )  # fmt: skip
        archive.writestr(_entry(MANIFEST), json_text(about.to_json()))
    return Packed(file, about, file.stat().st_size)


def _add(archive: zipfile.ZipFile, name: str, packing: _Packing) -> str:
    """Add a file; return its SHA-256."""
    if name in packing.texts:
        archive.writestr(_entry(name), packing.texts[name])
        return hashlib.sha256(packing.texts[name]).hexdigest()
    hashed = hashlib.sha256()
    with packing.files[name].open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as target:
        while chunk := source.read(1 << 20):
            hashed.update(chunk)
            target.write(chunk)
    return hashed.hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DAWN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    entry.create_system = 3  # Unix, wherever it is packed
    return entry
