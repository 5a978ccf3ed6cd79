"""Load a finished run for predictions: its networks and what prepares their inputs, without its data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lightune.checkpoints import DESCRIBED, load_weights, read_checkpoint
from lightune.config.build import build_task
from lightune.config.validate import find_problems
from lightune.data.preparation import preparation_from
from lightune.data.scaling import Affine
from lightune.errors import CheckpointError, ConfigError, Problem
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor
from lightune.runtime.quiet import quiet
from lightune.tasks.supervised import SupervisedTask
from lightune.training.resumption import load_run_config, run_of

__all__ = ["Restored", "load", "restore"]


@dataclass(frozen=True)
class Restored:
    """One fit of a run, as its checkpoint has it.

    Args:
        task: with the weights.
        preparation: maps raw samples to the network's inputs.
        described: what the checkpoint holds of the samples.
    """

    task: SupervisedTask
    preparation: nn.Module
    described: dict[str, Any]


def load(
    run_dir: str | Path, *, checkpoint: str = "best", device: str = "auto", batch_size: int = 1024
) -> Predictor:
    """Load a run for predictions; nothing of its data is needed.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        checkpoint: `best`, `last`, or the path of a file.
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        batch_size: samples at a time, > 0.

    Returns:
        What predicts; a run of several fits predicts the mean of theirs.

    Raises:
        ConfigError: if the folder is no run, or its configuration cannot run here.
        CheckpointError: if a checkpoint is missing, damaged, not to be trusted, or holds no preparation.
    """
    restored = restore(run_dir, checkpoint=checkpoint)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError([Problem("--device", f"there is no GPU here, got {device}")])
    networks = [PredictingNetwork(each.preparation, each.task.model, each.task.predictions) for each in restored]
    try:
        return Predictor(networks, restored[-1].described, device=chosen, batch_size=batch_size)
    except ValueError as error:
        raise ConfigError([Problem(str(run_dir), f"{error}")]) from error


def restore(run_dir: str | Path, *, checkpoint: str = "best") -> list[Restored]:
    """Restore the task and the preparation of each fit of a run; nothing of its data is needed.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        checkpoint: `best`, `last`, or the path of a file.

    Raises:
        ConfigError: as `load`.
        CheckpointError: as `load`.
    """
    folder = Path(run_dir)
    cfg = load_run_config(run_of(folder))
    if problems := [each for each in find_problems(cfg) if not each.key.startswith("data.")]:  # they may be gone
        raise ConfigError(problems)
    restored = []
    with quiet(verbose=False):
        for file in _checkpoints(folder, checkpoint):
            content = read_checkpoint(file)
            described = content.get(DESCRIBED)
            if not isinstance(described, dict):
                rule = "holds no preparation: an earlier version wrote it, or a task or data of one's own"
                raise CheckpointError(f"{file}: {rule}; predictions need one")
            restored.append(_restored(cfg, content, described, file))
    return restored


def _checkpoints(folder: Path, checkpoint: str) -> list[Path]:
    if checkpoint not in ("best", "last"):
        if not Path(checkpoint).exists():
            raise ConfigError([Problem("--checkpoint", f"must be best, last, or a file, got {checkpoint}")])
        return [Path(checkpoint)]
    fits = sorted((folder / "fits").glob("*/checkpoints"), key=lambda path: int(path.parent.name))
    return [home / f"{checkpoint}.ckpt" for home in fits or [folder / "checkpoints"]]


def _restored(cfg: Any, content: dict[str, Any], described: dict[str, Any], file: Path) -> Restored:
    try:
        shapes = {name: int(described[name]) for name in ("num_classes", "num_targets")}
        sizes = {name: tuple(map(int, described[name])) for name in ("input_shape", "cardinalities")}
        preparation = preparation_from(described["preparation"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{file}: its preparation cannot be read ({type(error).__name__}: {error})"
        ) from error
    weights = content["state_dict"]
    scaler = None
    if "target_scaler.shift" in weights:
        scaler = Affine(weights["target_scaler.shift"], weights["target_scaler.scale"])
    counts = [1] * shapes["num_classes"]  # of the training: no weight of a class counts any more
    task = build_task(cfg, {**shapes, **sizes, "class_counts": counts}, scaler)
    if not isinstance(task, SupervisedTask):
        rule = f"is a {type(task).__name__}, and predictions are made with lightune's own task only"
        raise ConfigError([Problem("task", rule)])
    load_weights(task, weights, file)
    return Restored(task, preparation, described)
