"""What a run ran on: Python, all packages, processor, threads, and the variables that change the last bits."""

import functools
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from lightune.runtime.credentials import without_credentials
from lightune.runtime.last_digits import VARIABLES

__all__ = ["collect_environment", "installed"]

_DIST_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")
_SEPARATORS = re.compile(r"[-_.]+")


def collect_environment() -> dict[str, Any]:
    """Return what this process computes with; plain values, the same as long as nothing is changed in it.

    Keys: `python`, `platform`, `packages` (name → version, of all that is installed), `sources` (name → address,
    of what was installed from one), `cpu` (`model`, `count`, `capability`: the instructions that torch uses),
    `threads` (`intra`, `inter`), `libraries`, `cuda` (null without a GPU) and `variables` (those of `VARIABLES`
    that are set).
    """
    packages, sources = installed()
    has_mkl: Any = torch.backends.mkl.is_available
    has_onednn: Any = torch.backends.mkldnn.is_available
    return {
        "schema_version": 1,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": _platform(),
        "packages": packages,
        "sources": sources,
        "cpu": {
            "model": _cpu_model(),
            "count": os.cpu_count(),
            "capability": torch.backends.cpu.get_cpu_capability(),
        },
        "threads": {"intra": torch.get_num_threads(), "inter": torch.get_num_interop_threads()},
        "libraries": {
            "mkl": bool(has_mkl()),
            "onednn": bool(has_onednn()),
        },
        "cuda": _cuda(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


_platform = functools.cache(platform.platform)


@functools.cache
def installed() -> tuple[dict[str, str], dict[str, str]]:
    """Return name → version of every package that Python finds, and name → address of those that came from one.

    The names of their folders tell, which takes a tenth of the time of reading what they say of themselves.
    """
    packages: dict[str, str] = {}
    sources: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path):
        with suppress(OSError), os.scandir(folder or os.curdir) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if (found := _DIST_INFO.fullmatch(entry.name)) is None:
                    continue
                name = _SEPARATORS.sub("-", found["name"]).lower()
                if name not in packages:  # Python takes the first
                    packages[name] = found["version"]
                    sources.update((name, address) for address in _address(Path(entry.path)))
    return dict(sorted(packages.items())), dict(sorted(sources.items()))


def _address(dist_info: Path) -> Iterator[str]:
    """Yield where a package came from if that is no index (PEP 610), with its commit, without what lets one in."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        about = json.loads((dist_info / "direct_url.json").read_text(encoding="utf-8"))
        url = without_credentials(str(about["url"]))
        if url.startswith("file:"):
            yield "a folder" if "dir_info" in about else "a file"  # its path says nothing elsewhere
            return
        version_control = about.get("vcs_info", {})
        commit = version_control.get("commit_id")
        prefix = f"{version_control['vcs']}+" if "vcs" in version_control else ""
        yield f"{prefix}{url}{f'@{commit}' if commit else ''}"


@functools.cache
def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Hardware", "cpu model"):
                return value.strip()
    return platform.processor() or platform.machine()


@functools.cache
def _cuda() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    count = torch.cuda.device_count()
    cudnn_version: Any = torch.backends.cudnn.version
    return {
        "version": torch.version.cuda,
        "cudnn": cudnn_version(),
        "devices": [torch.cuda.get_device_name(number) for number in range(count)],
    }
