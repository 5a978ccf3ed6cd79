"""The words of a study's command that every trial of it has.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterable
from pathlib import Path

from hydra.errors import HydraException

from lightune.config.override_text import parse_override
from lightune.report.study_data import StudyData

__all__ = ["fixed_lines", "fixed_words"]


def fixed_lines(overrides: Iterable[str]) -> list[str]:
    """Return the overrides that sweep nothing; one that cannot be read is left away."""
    return [line for line in overrides if not _is_sweep(line)]


def fixed_words(study: StudyData) -> tuple[list[str], str | None]:
    """Return the overrides of a study's command that sweep nothing, and its folder of options, if that is there.

    Args:
        study: read from its files.
    """
    folder = study.spec.config_dir
    return fixed_lines(study.spec.overrides), folder if folder is not None and Path(folder).is_dir() else None


def _is_sweep(line: str) -> bool:
    try:
        return bool(parse_override(line).is_sweep_override())
    except (HydraException, ValueError):
        return True
