"""What Hydra has against a command, in Hydra's words.

This module must not import torch or Lightning.
"""

from hydra.errors import CompactHydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from lightune.config.static.annotations import did_you_mean

__all__ = ["words_of"]

_EXTRAS = {"ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers that come with an extra."""


def words_of(error: Exception) -> str:
    """Return what an error says, its cause, and what may have been meant."""
    lines = [str(error)]
    if isinstance(error, CompactHydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        lines.append(str(error.__cause__))
    if hint := _hint(error):
        lines.append(hint)
    return "\n".join(lines)


def _hint(error: Exception) -> str:
    """Name the nearest option of a group; for a misspelt key Hydra does so itself."""
    missing = error.missing_cfg_file if isinstance(error, MissingConfigException) else None
    group, _, option = (missing or "").rpartition("/")
    if group == "hydra/launcher" and option in _EXTRAS:
        return f"install it with: pip install 'lightune[{_EXTRAS[option]}]'"
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        return did_you_mean(error.missing_cfg_file.rpartition("/")[2], error.options).strip()
    return ""
