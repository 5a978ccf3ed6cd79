"""Where a result came from: code, versions, device, data, command."""

import functools
import os
import platform
import shlex
import shutil
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
_NO_PROGRAMS = [
    "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}",
    "-c", "diff.external=",
]  # fmt: skip
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--submodule=short", "--no-color")
_ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
"""No object is fetched from elsewhere, which runs what the repository names."""
_WELL_KNOWN = {"git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process", "true"}
"""What `git lfs install --local` writes."""


def collect(
    run_dir: Path, *, device: torch.device, data_fingerprint: str | None, code: str | None = None
) -> dict[str, Any]:
    """Gather what another person needs to repeat a run; save uncommitted changes beside it.

    Args:
        run_dir: where the diff of uncommitted changes is written, if there are any.
        device: the device that trained.
        data_fingerprint: digest of the data as read; None if the data do not tell.
        code: digest of the user's own code.
    """
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "code": code,
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
    diff = _ask("diff", *_PLAIN_DIFF, "--binary", "HEAD")
    if diff:
        (run_dir / DIFF_FILE).write_bytes(diff)
    return {"commit": commit.decode().strip(), "dirty": bool(diff), "diff_file": DIFF_FILE if diff else None}


def _ask(*arguments: str) -> bytes | None:
    seen = _looks[-1] if _looks else {}
    if arguments not in seen:
        seen[arguments] = _answer(*arguments)
    return seen[arguments]


def _answer(*arguments: str) -> bytes | None:
    """Ask git, which may run nothing that the repository names: that may be somebody else's."""
    program = shutil.which("git")
    if program is None:
        return None
    try:
        variables = _without_filters(program) if arguments[0] == "diff" else {}
        return _run([program, *_NO_PROGRAMS, *arguments], variables)
    except (OSError, subprocess.SubprocessError):
        return None


def _without_filters(program: str) -> dict[str, str]:
    """Return variables that switch off the filters which the repository itself defines; the user's own stay."""
    listed = _run([program, *_NO_PROGRAMS, "config", "--list", "--show-scope", "--null", "--includes"], {})
    fields = listed.decode("utf-8", "surrogateescape").split("\0")
    settings = [(key, value) for key, _, value in (field.partition("\n") for field in fields[1::2])]
    filters = {
        key: value
        for scope, (key, value) in zip(fields[::2], settings, strict=False)
        if scope in ("local", "worktree") and key.startswith("filter.")
    }
    odd = {key.rpartition(".")[0] for key, value in filters.items() if value not in _WELL_KNOWN}
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    off = [key for key in filters if key.rpartition(".")[0] in odd]
    variables = {"GIT_CONFIG_COUNT": str(first + len(off))}
    for place, key in enumerate(off, start=first):
        variables[f"GIT_CONFIG_KEY_{place}"] = key
        variables[f"GIT_CONFIG_VALUE_{place}"] = "false" if key.endswith(".required") else ""
    return variables


def _run(command: list[str], variables: dict[str, str]) -> bytes:
    environment = {**os.environ, **_ENVIRONMENT, **variables}
    return subprocess.run(command, capture_output=True, check=True, timeout=30, env=environment).stdout
