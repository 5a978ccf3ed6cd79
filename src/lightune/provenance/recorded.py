"""What a run recorded of itself, read for repeating it; nothing of it is run.

This module must not import torch or Lightning, nor Optuna.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from lightune.errors import ConfigError, Problem
from lightune.paths import DATA_FILE
from lightune.reporting.fits import FitResult, read_fit
from lightune.reporting.result import FINISHED, Result, read_result
from lightune.training.resumption import load_run_config, run_of
from lightune.wording import counted

__all__ = ["Recorded", "read_recorded"]

_LENGTHS = ("trainer.max_epochs", "trainer.max_steps", "callbacks.early_stopping.patience")
_NAMED = {
    "environment": re.compile(r"(\.\./){0,4}(provenance/)?environment(-[0-9a-f]{12})?\.json"),
    "diff_file": re.compile(r"(\.\./){0,4}(provenance/)?uncommitted(-[0-9a-f]{12})?\.diff"),
}
"""What a result may name beside its run; it may be somebody else's."""
_THREADS = re.compile(r"^cpu \((\d+) threads\)$")
_MOST_THREADS = 1024
_MOST_MEMBERS = 4096


@dataclass(frozen=True)
class Recorded:
    """A finished run, as its files tell.

    Args:
        run: the run's folder.
        cfg: the configuration that it ended with.
        result: what came of it.
        begun_as: the configuration that it began with, where it was made longer later; None of others.
        fit: number of the fit that is asked for; None for the whole run.
        environment: what it ran on; what an older run did not keep of that is missing.
        data: as in its `data.json`; empty where the data left none.
        typed_in: the folder in which its command was typed, if that is known.
    """

    run: Path
    cfg: DictConfig
    result: Result
    begun_as: DictConfig | None = None
    fit: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    typed_in: str | None = None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the result came from, as it says."""
        return self.result.provenance

    @property
    def git(self) -> Mapping[str, Any]:
        """The commit and its changes; empty where there was no repository."""
        return _mapping(self.provenance.get("git"))

    @property
    def diff(self) -> bytes | None:
        """The changes that were not committed; None if there were none, or they are not there any more."""
        file = self.beside("diff_file")
        with suppress(OSError):
            return None if file is None else file.read_bytes()
        return None

    @property
    def is_tested(self) -> bool:
        """Whether the test part was measured."""
        return any(name.startswith("test/") for name in self.result.metrics)

    @property
    def fused(self) -> list[tuple[int, int]]:
        """With how many trials it was trained as one program, and for how many epochs; empty where alone."""
        found = []
        with suppress(TypeError, ValueError):
            for members, epochs in self.provenance.get("fused") or ():
                if 0 < int(members) <= _MOST_MEMBERS:
                    found.append((int(members), int(epochs)))
        return found

    @property
    def threads(self) -> int | None:
        """How many threads computed, > 0; None where that was not recorded, or no processor did."""
        said = self.environment.get("threads")
        threads = said.get("intra") if isinstance(said, dict) else None
        if threads is None and (named := _THREADS.search(str(self.provenance.get("device")))):
            threads = int(named[1])
        return threads if isinstance(threads, int) and 0 < threads < _MOST_THREADS else None

    @property
    def folder(self) -> Path:
        """What is compared: the run's folder, or that of the fit that is asked for."""
        return self.run if self.fit is None else self.run / "fits" / str(self.fit)

    def fits(self) -> list[FitResult]:
        """Return the fits of a run of several, as far as they finished."""
        folders = sorted((self.run / "fits").glob("*"), key=lambda each: (len(each.name), each.name))
        return [fit for folder in folders if (fit := read_fit(folder)) is not None]

    def beside(self, kind: Literal["environment", "diff_file"]) -> Path | None:
        """Return the file that its environment or changes lie in, there or not; None if it names none."""
        named = self.provenance if kind == "environment" else self.git
        return _named(self.run, named.get(kind), kind)

    def told_of_data(self) -> str:
        """Say what was recorded of the data: enough to know them when they are found."""
        fingerprint = self.provenance.get("data")
        if not isinstance(fingerprint, str):
            return "nothing was recorded of them"
        rows = self.data.get("rows")
        said = f"{counted(rows, 'row')} with " if isinstance(rows, int) else ""
        where = "" if self.typed_in is None else f", for a command that was typed in {self.typed_in}"
        data = self.cfg.get("data")
        in_files = isinstance(data, DictConfig) and not {"path", "root"}.isdisjoint(data)
        advice = "; --data names where they lie now" if in_files else ""
        return f"recorded of them: {said}the fingerprint {fingerprint}{where}{advice}"

    def told_of_code(self) -> str:
        """Say what was recorded of the code: enough to know it when it is found."""
        code, commit = self.provenance.get("code"), self.git.get("commit")
        said = [f"the digest {code}"] if isinstance(code, str) else []
        if isinstance(commit, str):
            changed = " with changes" if self.git.get("dirty") else ""
            said.append(f"the commit {commit}{changed}")
        return f"recorded of it: {', '.join(said)}" if said else "nothing was recorded of it"


def read_recorded(path: Path) -> Recorded:
    """Read what a run recorded of itself.

    Args:
        path: the run's folder, or that of one of its fits.

    Raises:
        ConfigError: if it is no run, or none that finished.
    """
    run = run_of(path)
    cfg = load_run_config(run)
    try:
        result = read_result(run)
    except (OSError, ValueError, AttributeError) as error:
        rule = "has no result: it is under way, or was cut off" if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(str(run), f"{rule}; only what is finished can be reproduced")]) from error
    if result.status not in FINISHED:
        rule = f"is {result.status}, and has no figures that could be compared"
        raise ConfigError([Problem(str(run), f"{rule}; only what is finished can be reproduced")])
    fit = int(path.name) if path != run and path.name.isdecimal() else None
    if fit is not None and read_fit(path) is None:
        rule = "is a fit that did not finish; only what is finished can be reproduced"
        raise ConfigError([Problem(str(path), rule)])
    environment = _named(run, result.provenance.get("environment"), "environment")
    return Recorded(
        run,
        cfg,
        result,
        _begun_as(run, cfg),
        fit,
        (_object_in(environment) if environment is not None else {}) or _older(result),
        _object_in(run / DATA_FILE),
        _typed_in(run),
    )


def _named(run: Path, name: object, kind: str) -> Path | None:
    """Return a file that a result names beside its run; None if it may not name it."""
    if not isinstance(name, str) or _NAMED[kind].fullmatch(name) is None:
        return None
    return Path(os.path.normpath(run.absolute() / name))


def _begun_as(run: Path, cfg: DictConfig) -> DictConfig | None:
    """Return the configuration of a run's beginning if its length is another."""
    begun = OmegaConf.load(run / ".hydra" / "config.yaml")
    if not isinstance(begun, DictConfig):
        return None
    same = all(OmegaConf.select(begun, key) == OmegaConf.select(cfg, key) for key in _LENGTHS)
    return None if same else begun


def _older(result: Result) -> Mapping[str, Any]:
    """Return what a run of an older version said of what it ran on."""
    said = result.provenance
    return {name: said[name] for name in ("python", "platform", "packages") if name in said}


def _typed_in(run: Path) -> str | None:
    with suppress(Exception):
        return str(OmegaConf.load(run / ".hydra" / "hydra.yaml").hydra.runtime.cwd)
    return None


def _object_in(file: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
