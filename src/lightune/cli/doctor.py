"""`lightune doctor`: what is installed, on which device it would train, and whether it does.

This module must not import torch or Lightning at its top.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path
from pkgutil import iter_modules

from lightune.cli.version import version
from lightune.errors import LightuneError, reason_of
from lightune.paths import expanded
from lightune.runtime.plain_text import say, visible
from lightune.wording import counted

__all__ = ["Finding", "add_arguments", "doctor", "findings"]

_LEAST_FREE = 2 << 30  # bytes on the disk that runs are written to: some hundred checkpoints of a small network
_PLUGINS = ("hydra_plugins.hydra_lightune", "hydra_plugins.hydra_optuna_sweeper")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_FOR_DEVELOPERS = ("dev", "docs")


@dataclass(frozen=True)
class Finding:
    """What was looked at.

    Args:
        what: was looked at.
        found: in a line.
        advice: what to do; None where all is well.
    """

    what: str
    found: str
    advice: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune doctor` takes."""
    add = parser.add_argument
    add(
        "--output-root", default="outputs", metavar="FOLDER", help="where runs would be written (default: outputs)"
    )
    add("--json", action="store_true", help="print JSON instead of lines")


def doctor(options: argparse.Namespace) -> None:
    """Look, say what there is, and leave with exit code 1 if something has to be done.

    Args:
        options: as `add_arguments` declares them.
    """
    seen = list(findings(expanded(options.output_root)))
    if options.json:
        print(json.dumps([asdict(finding) for finding in seen], indent=2))
    else:
        width = max(len(finding.what) for finding in seen)
        for finding in seen:
            print(f"{finding.what:{width}}  {visible(finding.found)}")
            if finding.advice:
                print(f"{'':{width}}  -> {visible(finding.advice)}")
    wrong = sum(finding.advice is not None for finding in seen)
    if wrong:
        say(f"lightune: {wrong} of {len(seen)} need something", error=True)
        sys.exit(1)


def findings(output_root: str) -> Iterator[Finding]:
    """Yield what is found, one thing after the other.

    Args:
        output_root: where runs would be written.
    """
    yield Finding("version", version())
    yield Finding("Python", f"{sys.version.split()[0]}, {sys.executable}")
    for what, look in (
        ("device", _device),
        ("plugins", _plugins),
        ("extras", _extras),
        ("disk", lambda: _disk(output_root)),
        ("training", _training),
    ):
        yield from _looked_at(what, look)


def _looked_at(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except LightuneError as refusal:
        yield Finding(what, "does not work", str(refusal).partition("\n")[2].strip() or str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what is asked
        yield Finding(what, "does not work", f"{type(error).__name__}: {reason_of(error)}")


def _device() -> Iterator[Finding]:
    import torch

    from lightune.reporting.environment import collect_environment

    around = collect_environment()
    cpu, cuda = around["cpu"], around["cuda"]
    threads = counted(around["threads"]["intra"], "thread")
    yield Finding("processor", f"{cpu['model']}, {counted(cpu['count'], 'core')}, {cpu['capability']}; {threads}")
    if cuda is not None:
        names = ", ".join(cuda["devices"])
        yield Finding("GPU", f"{len(cuda['devices'])}: {names}; CUDA {cuda['version']}, cuDNN {cuda['cudnn']}")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "Apple's, by MPS")
    elif shutil.which("nvidia-smi"):
        rule = f"there is NVIDIA's driver, and PyTorch {torch.__version__} finds no GPU"
        yield Finding("GPU", rule, "see what nvidia-smi says, and install a PyTorch for its version of CUDA")
    else:
        yield Finding("GPU", "none: runs train on the processor")


def _plugins() -> Iterator[Finding]:
    """Yield whether the doors of Hydra to lightune and to Optuna's sweeper can be imported."""
    loaded, missing = [], []
    for package in _PLUGINS:
        folder = import_module(package).__path__
        for module in iter_modules(folder, f"{package}."):
            try:
                import_module(module.name)
            except Exception as error:  # noqa: BLE001 - as above
                missing.append(f"{module.name} does not load ({reason_of(error)})")
            else:
                loaded.append(module.name.rpartition(".")[2])
    found = ", ".join(missing) or f"{', '.join(loaded)} load"
    yield Finding("plugins", found, "install lightune again" if missing else None)


def _extras() -> Iterator[Finding]:
    """Yield which extras are installed; one that is not is no fault."""
    needed: dict[str, list[str]] = {}
    for requirement in metadata.requires("lightune") or ():
        if (
            (extra := _EXTRA.search(requirement))
            and extra[1] not in _FOR_DEVELOPERS
            and (name := _NAME.match(requirement))
        ):
            needed.setdefault(extra[1], []).append(name[0])
    there = [extra for extra, packages in sorted(needed.items()) if all(map(_is_installed, packages))]
    absent = [extra for extra in sorted(needed) if extra not in there]
    others = f"; not there: {', '.join(absent)} (pip install 'lightune[{absent[0]}]')" if absent else ""
    yield Finding("extras", f"{', '.join(there) or 'none'}{others}")


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _disk(output_root: str) -> Iterator[Finding]:
    folder = Path(output_root).absolute()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding("disk", f"{place} cannot be written to", "choose another output_root")
        return
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:,.1f} GiB free for {folder}"
    yield Finding("disk", found, "make room, or choose another output_root" if free < _LEAST_FREE else None)


def _training() -> Iterator[Finding]:
    """Yield whether a small network trains for an epoch, on the device that runs would take."""
    from lightune.training.imports import import_training

    import_training()
    from lightune.config.compose import compose
    from lightune.run import train

    with tempfile.TemporaryDirectory(prefix="lightune-") as folder, redirect_stdout(StringIO()):
        words = ["trainer.max_epochs=1", "model.units=8", f"output_root='{folder}'", "logger=none", "test=false"]
        result = train(compose(words))
    yield Finding("training", f"an epoch of a small network, {result.seconds['train']:.1f} s")
