"""The line below every table: what it was measured on, and when."""

import os
import platform
from datetime import date
from pathlib import Path


def hardware() -> str:
    """Return processor, cores, load, Python, torch and date in one line."""
    from importlib.metadata import version

    load = f"{os.getloadavg()[0]:.1f}"
    about = f"{_processor()}, {os.cpu_count()} cores, load {load}"
    return f"{about}, Python {platform.python_version()}, torch {version('torch')}, {date.today()}"


def _processor() -> str:
    """Return the processor's name as Linux knows it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
