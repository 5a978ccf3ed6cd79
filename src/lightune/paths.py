"""Where things lie: the packaged configuration, and the folders a run may write to.

This module must not import torch or Lightning.
"""

import os
import re
from pathlib import Path

__all__ = ["conf_dir", "create_run_dir", "is_inside", "is_plain_name", "outer_rank"]

RANK_VARIABLE = "LIGHTUNE_RANK"
"""Set in the processes that lightune starts beside the first one of a run."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


def conf_dir() -> Path:
    """Return the folder of the config groups: the installed copy if there is one, else the clone's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def outer_rank() -> int:
    """Return the number of this process among those that were started for a run; 0 for the first, or the only."""
    if RANK_VARIABLE in os.environ:
        return int(os.environ[RANK_VARIABLE])
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in os.environ and int(os.environ.get(size, "1")) > 1:
            return int(os.environ[rank])
    return 0


def is_plain_name(name: str) -> bool:
    """Tell whether a name can be one folder: letters, digits and `._+=-`, not beginning with a dot."""
    return len(name) <= 100 and _PLAIN_NAME.fullmatch(name) is not None


def is_inside(path: str | Path, root: str | Path) -> bool:
    """Tell whether path lies strictly below root once both are absolute and links are followed."""
    resolved, parent = Path(path).resolve(), Path(root).resolve()
    return resolved != parent and resolved.is_relative_to(parent)


def create_run_dir(wanted: str) -> str:
    """Create a folder that nobody else has: `wanted`, or `wanted_2`, `wanted_3`, … where it is taken.

    Args:
        wanted: path of the folder; its parents are made as needed.

    Returns:
        The path that was created, in the spelling of `wanted`.

    Raises:
        OSError: if the folder cannot be made, for a reason other than that it exists.
    """
    Path(wanted).parent.mkdir(parents=True, exist_ok=True)
    candidate, count = wanted, 1
    while True:
        try:
            os.mkdir(candidate)
        except FileExistsError:
            count += 1
            candidate = f"{wanted}_{count}"
        else:
            return candidate
