"""Where a result came from: code, versions, device, data, command, and what it took.

What is the same in all trials of a study is kept once, in the study's folder.
"""

import hashlib
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lightune.paths import DIFF_FILE, ENVIRONMENT_FILE, STUDY_FILE, typed_words
from lightune.reporting.environment import collect_environment
from lightune.reporting.repository import Changes, changes_here
from lightune.runtime.atomic_files import json_text, write_whole
from lightune.runtime.credentials import credentials_of, without_credentials

__all__ = ["SHARED", "Cost", "collect", "device_named"]

_PACKAGES = (
    "lightune",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "optuna",
    "numpy",
    "scikit-learn",
)
SHARED = "provenance"
"""In a study's folder: what its trials share of this, each file with a digest in its name."""
_DEPTH = 4  # folders that a trial lies below its study, at most


@dataclass
class Cost:
    """What a process has used since a moment: made at that moment."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=lambda: _cpu_seconds())

    def so_far(self, device: torch.device) -> dict[str, float | int | None]:
        """Return wall time and processor's time since then, in seconds, and the most memory, in bytes.

        The memory is the whole process's since it began; all that trains in it at the time counts in everything.

        Args:
            device: the device that trained.
        """
        return {
            "wall_seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(_cpu_seconds() - self._cpu, 3),
            "peak_memory": _peak_memory(),
            "peak_device_memory": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        }


def _cpu_seconds() -> float:
    return sum(os.times()[:4])  # of the process, and of those that it has waited for


def _peak_memory() -> int | None:
    with suppress(ImportError):  # there is none on Windows
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024
    return None


def collect(
    run_dir: Path,
    *,
    device: torch.device,
    data_fingerprint: str | None,
    code: str | None = None,
    cost: Cost | None = None,
    fused: Sequence[Sequence[int]] = (),
    output_root: Path | None = None,
) -> dict[str, Any]:
    """Gather what another person needs to repeat a run; save its environment and uncommitted changes beside it.

    Args:
        run_dir: the run's; of a trial, what all trials share is saved in the study's folder.
        device: the device that trained.
        data_fingerprint: digest of the data as read; None if the data do not tell.
        code: digest of the user's own code.
        cost: made when the run began.
        fused: with how many it was trained as one program, and for how many epochs; empty if it was trained alone.
        output_root: absolute; what lies there is no code.
    """
    environment = collect_environment()
    command = shlex.join([Path(sys.argv[0]).name, *typed_words()])
    packages = environment["packages"]
    return {
        "command": without_credentials(command, credentials_of([Path.cwd()])),
        "code": code,
        "git": _git(run_dir, output_root),
        "packages": {name: packages[name] for name in _PACKAGES if name in packages},
        "python": platform.python_version(),
        "platform": environment["platform"],
        "device": device_named(device),
        "data": data_fingerprint,
        "environment": _keep(run_dir, ENVIRONMENT_FILE, json_text(environment).encode()),
        "fused": [list(each) for each in fused],
        "cost": None if cost is None else cost.so_far(device),
    }


def device_named(device: torch.device) -> str:
    """Return a device as results name it: what it is, and of a processor how many threads compute."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


def _git(run_dir: Path, output_root: Path | None) -> dict[str, Any] | None:
    seen = Path.cwd(), _study_of(run_dir)
    if seen not in _seen:
        changes = changes_here(output_root)
        if seen[1] is not None:
            _seen[seen] = changes
    else:
        changes = _seen[seen]
    if changes is None:
        return None
    return {
        "commit": changes.commit,
        "dirty": bool(changes.diff),
        "diff_file": _keep(run_dir, DIFF_FILE, changes.diff) if changes.diff else None,
        "untracked": list(changes.untracked),
        "left_out": list(changes.left_out),
        "submodules": list(changes.submodules),
    }


_seen: dict[tuple[Path, Path | None], Changes | None] = {}
"""Folder and study → what there was when the first trial ended: a process keeps the code that it imported."""


def _keep(run_dir: Path, name: str, content: bytes) -> str | None:
    """Write what belongs to a run, or to all trials with the same content; return its path from the run's folder.

    Where the disk takes nothing, it is None: that is found out of the result, too.
    """
    study, file = _study_of(run_dir), run_dir / name
    if study is not None:
        digest = hashlib.sha256(content).hexdigest()[:12]
        stem, suffix = os.path.splitext(name)
        file = study / SHARED / f"{stem}-{digest}{suffix}"
    try:
        if study is None or not file.is_file():
            write_whole(file, content)
    except OSError:
        return None
    return os.path.relpath(file, run_dir).replace(os.sep, "/")


def _study_of(run_dir: Path) -> Path | None:
    parents = list(run_dir.absolute().parents)[:_DEPTH]
    return next((parent for parent in parents if (parent / STUDY_FILE).is_file()), None)
