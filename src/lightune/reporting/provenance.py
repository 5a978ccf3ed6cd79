"""Where a result came from: code, versions, device, data, command."""

import platform
import shlex
import subprocess
import sys
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
        "packages": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": _device(device),
        "data": data_fingerprint,
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


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
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout
