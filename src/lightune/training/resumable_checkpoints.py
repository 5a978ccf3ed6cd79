"""The checkpoints that a run that was cut off, or one of its fits, can go on from."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightune.errors import CheckpointError, ConfigError, Problem
from lightune.reporting.fits import read_fit
from lightune.runtime.removed_checkpoints import is_removed, reason_removed

__all__ = ["is_within_epoch", "newest_checkpoint", "require_same_processes", "require_sound_checkpoints"]

log = logging.getLogger(__name__)


def newest_checkpoint(run_dir: Path) -> Path | None:
    """Return the newest sound checkpoint of a run or fit; None if it was cut off before it wrote one.

    Raises:
        ConfigError: if there are checkpoints and none is sound.
    """
    sound, damaged = _checkpoints(run_dir)
    if damaged and not sound:
        raise ConfigError([Problem("resume", message) for message in damaged.values()])
    for name, message in damaged.items():
        lost = (
            "; unless a later epoch is better, its weights are lost: to have them again, "
            f"stop, remove {run_dir}/checkpoints and go on; this then trains from its seed"
        )
        log.warning("%s%s", message, lost if name == "best" else "")
    return sound[0] if sound else None


def is_within_epoch(content: Mapping[str, Any]) -> bool:
    """Return True if a checkpoint is of the middle of an epoch.

    Args:
        content: of the checkpoint.
    """
    batches = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    # `completed` lags behind: callbacks that save after a batch are called before it counts
    return batches["current"]["processed"] > 0 and not batches["is_last_batch"]


def require_same_processes(run_dir: Path, processes: int) -> None:
    """Refuse to go on in the middle of an epoch with another number of processes, which divide its samples anew.

    Raises:
        ConfigError: with the number that it was.
    """
    from lightune.callbacks.randomness import RANDOM_STATE
    from lightune.checkpoints import read_checkpoint

    for folder in [run_dir, *sorted((run_dir / "fits").glob("*"))]:
        sound, _ = _checkpoints(folder)
        if read_fit(folder) or not sound:
            continue
        content = read_checkpoint(sound[0])
        before = len(content.get(RANDOM_STATE, [])) or 1
        if is_within_epoch(content) and before != processes:
            rule = f"{folder} was cut off in the middle of an epoch that {before} processes share, got {processes}"
            raise ConfigError([Problem("trainer", f"{rule}; go on with as many")])


def require_sound_checkpoints(run_dir: Path) -> None:
    """Refuse a run, before anything is started, of which a fit has no checkpoint that can be trusted.

    Raises:
        ConfigError: naming each file and what is wrong with it.
    """
    problems = []
    for folder in [run_dir, *sorted((run_dir / "fits").glob("*"))]:
        sound, damaged = _checkpoints(folder)
        if read_fit(folder) and "best" in damaged:
            advice = f"remove {folder} to train this fit again, which gives the same"
            problems.append(Problem("resume", f"{damaged['best']}; {advice}"))
        elif not sound:
            problems += [Problem("resume", message) for message in damaged.values()]
    if problems:
        raise ConfigError(problems)


def _checkpoints(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the sound checkpoints, the furthest first, and for each of the others what is wrong with it."""
    from lightune.checkpoints import batches_taken, is_resumable, read_checkpoint

    sound: dict[Path, int] = {}
    damaged = {}
    had_a_best = (fit := read_fit(folder)) is not None and fit.checkpoint is not None
    for name in ("last", "best"):
        path = folder / "checkpoints" / f"{name}.ckpt"
        if not path.exists() and not (name == "best" and had_a_best):
            continue
        try:
            content = read_checkpoint(path)
        except CheckpointError as error:
            damaged[name] = str(error)
        else:
            if is_resumable(content):
                sound[path] = batches_taken(content)
            had_a_best = had_a_best or content.get("callbacks", {}).get("BestAndLast", {}).get("value") is not None
    if not sound and not damaged and is_removed(last := folder / "checkpoints" / "last.ckpt"):
        damaged["last"] = f"{last}: was removed, {reason_removed(last)}; start a new run"
    return sorted(sound, key=lambda path: -sound[path]), damaged
