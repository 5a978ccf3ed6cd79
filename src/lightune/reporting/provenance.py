"""Where a result came from: code, versions, device, data, command."""

import functools
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

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
DIFF_FILE = "uncommitted.diff"


def collect(run_dir: Path, *, device: torch.device, data_fingerprint: str | None) -> dict[str, Any]:
    """Gather what another person needs to repeat a run; save uncommitted changes beside it.

    Args:
        run_dir: where the diff of uncommitted changes is written, if there are any.
        device: the device that trained.
        data_fingerprint: digest of the data as read; None if the data do not tell.
    """
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "git": _git(run_dir),
        "packages": dict(_versions()),
        "python": platform.python_version(),
        "platform": _platform(),
        "device": _device(device),
        "data": data_fingerprint,
    }


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions of what is installed; it does not change while a process runs."""
    versions = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


_platform = functools.cache(platform.platform)


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


@contextmanager
def one_look_at_the_code() -> Iterator[None]:
    """Let all runs that end meanwhile have the code that there was at the end of the first of them."""
    _looks.append({})
    try:
        yield
    finally:
        _looks.pop()


_looks: list[dict[tuple[str, ...], bytes | None]] = []


def _git(run_dir: Path) -> dict[str, Any] | None:
    """Describe the repository of the current folder; None if there is none or it has no commit."""
    commit = _ask("rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _ask("diff", "--binary", "HEAD")
    if diff:
        (run_dir / DIFF_FILE).write_bytes(diff)
    return {"commit": commit.decode().strip(), "dirty": bool(diff), "diff_file": DIFF_FILE if diff else None}


def _ask(*arguments: str) -> bytes | None:
    seen = _looks[-1] if _looks else {}
    if arguments not in seen:
        seen[arguments] = _answer(*arguments)
    return seen[arguments]


def _answer(*arguments: str) -> bytes | None:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout
