"""Try the parts of a run on a small scale before anything is written: what they refuse is refused with its key."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn

from lightune.config.finders import FINDERS, asked_for
from lightune.config.instantiate import naming_key, require
from lightune.config.trainer import build_loggers
from lightune.data import InMemoryData
from lightune.errors import ConfigError, Problem, UnwritableError
from lightune.paths import expanded, torchrun_size
from lightune.runtime.hardware import why_not_compiled
from lightune.tasks import SupervisedTask

__all__ = [
    "num_outputs",
    "require_findable",
    "require_room",
    "shapes_of",
    "try_loggers",
    "try_network",
    "try_optimizer",
    "try_trainer",
]

_SIZES_A_CHECKPOINT = 3  # the weights, and two moments of an optimizer
_LEAST_ROOM = 1_000_000  # bytes, for logs and figures
_MANY_STEPS = 100_000  # for trying a scheduler: more than any warm-up has


def shapes_of(data: LightningDataModule) -> dict[str, Any]:
    """Return those of the attributes named here that the data have, once they are divided."""
    names = ("input_shape", "num_classes", "num_targets", "cardinalities", "class_counts")
    return {name: getattr(data, name) for name in names if hasattr(data, name)}


def num_outputs(loss: nn.Module, shapes: Mapping[str, Any]) -> int:
    """Return how many outputs a model needs: what the loss says, else one a class or one a target value.

    Args:
        loss: may have `num_outputs`, from the number of classes to that of outputs.
        shapes: as `shapes_of` returns them.

    Raises:
        ValueError: if neither classes nor target values are known.
    """
    classes, targets = shapes.get("num_classes", 0), shapes.get("num_targets", 0)
    of_classes = getattr(loss, "num_outputs", None)
    if classes and callable(of_classes):
        return int(of_classes(classes))
    if not (count := classes or targets):
        raise ValueError("the data do not tell num_classes or num_targets; give them that attribute")
    return int(count)


def try_network(task: LightningModule, data: LightningDataModule) -> None:
    """Run two validation samples through the model and the loss of a supervised task; other tasks are not tried.

    The model must map x: (2, …) to outputs (2, K), the loss must return a scalar. No weight is changed.

    Args:
        task: on the CPU.
        data: divided.

    Raises:
        ConfigError: if one of them fails, or returns another shape than the data call for.
    """
    if isinstance(task, SupervisedTask) and isinstance(data, InMemoryData):
        with naming_key("model"), torch.no_grad():
            x, target = next(iter(data.val_dataloader()))
            data.close_streams()  # whose workers would stay
            task.eval()
            outputs: Tensor = task(x[:2])
            task.train()
            wanted = (len(x[:2]), num_outputs(task.loss, shapes_of(data)))
            got = tuple(outputs.shape)
            require(got == wanted, f"must map {len(x[:2])} samples to {wanted[1]} outputs each, got shape {got}")
        with naming_key("loss"), torch.no_grad():
            value: Tensor = task.loss(outputs, task.wanted(target[:2]))
            require(value.ndim == 0, f"must return one number, got a tensor of shape {tuple(value.shape)}")


def try_optimizer(task: LightningModule) -> None:
    """Make the optimizer that a supervised task will train with, and try its scheduler on it.

    The optimizer's numbers are afterwards as they were: trying a scheduler moves no learning rate.

    Raises:
        ConfigError: if the optimizer or the scheduler refuses its arguments.
    """
    if isinstance(task, SupervisedTask):
        with naming_key("optimizer"):
            optimizer = task.prepare_optimizer()
        numbers = [dict(group) for group in optimizer.param_groups]
        with naming_key("scheduler"):
            task.make_scheduler(optimizer, total_steps=_MANY_STEPS)
        for group, before in zip(optimizer.param_groups, numbers, strict=True):
            group.clear()  # a scheduler moves the learning rate when it is made, and notes where that began
            group.update(before)


def try_loggers(cfg: DictConfig) -> None:
    """Make the loggers of a configuration, which write nothing before training.

    Raises:
        ConfigError: if one refuses its arguments.
    """
    build_loggers(cfg, Path(expanded(cfg.output_root)))


def try_trainer(cfg: DictConfig, trainer: Trainer) -> None:
    """Compare a trainer with this machine and with how this process was started.

    Raises:
        ConfigError: if there is no compiler for `trainer.compile`, or torchrun started more processes than one.
    """
    mode = cfg.trainer.get("compile", "none")
    if mode != "none" and (reason := why_not_compiled(trainer.strategy.root_device.type)):
        raise ConfigError([Problem("trainer.compile", f"{reason}, got {mode}")])
    if trainer.world_size == 1 and (started := torchrun_size()) > 1:
        rule = f"is for one process, and torchrun has started {started}; choose trainer=ddp or do without torchrun"
        raise ConfigError([Problem("trainer", rule)])


def require_findable(
    cfg: DictConfig, trainer: Trainer, task: LightningModule, data: LightningDataModule, fits: int
) -> None:
    """Refuse to look for a value where a run has no one place for it, or is not lightune's to try.

    Args:
        cfg: the run's configuration.
        trainer: of its first fit.
        task: of its first fit.
        data: of the run.
        fits: how many fits it has, > 0.

    Raises:
        ConfigError: with the reason.
    """
    for name in asked_for(cfg.trainer):
        key = f"trainer.{name}"
        if fits > 1:
            rule = f"finds one {FINDERS[name]} of one network, and this run trains {fits}"
            advice = f"find it in a run with validation=holdout and repeats=1, and set {FINDERS[name]} to it"
            raise ConfigError([Problem(key, f"{rule}; {advice}")])
        if trainer.world_size > 1:
            rule = f"tries steps in one process, and this run has {trainer.world_size}"
            raise ConfigError(
                [Problem(key, f"{rule}; find it with trainer.devices=1, and set {FINDERS[name]} to it")]
            )
        if not isinstance(task, SupervisedTask):
            rule = f"tries steps of task=supervised, and {type(task).__name__} says itself what a step is"
            raise ConfigError([Problem(key, f"{rule}; set it to false")])
        if not (isinstance(data, InMemoryData) and type(data).train_dataloader is InMemoryData.train_dataloader):
            rule = f"tries batches that lightune makes, and {type(data).__name__} makes its own"
            raise ConfigError([Problem(key, f"{rule}; set it to false")])


def require_room(cfg: DictConfig, task: LightningModule, fits: int) -> None:
    """Refuse a run whose checkpoints cannot fit on the disk.

    Args:
        cfg: the run's configuration.
        task: of which a checkpoint holds the weights.
        fits: how many fits the run has, > 0; each keeps two checkpoints.

    Raises:
        ConfigError: with the bytes that are free and those that are needed.
    """
    weights = sum(tensor.numel() * tensor.element_size() for tensor in task.state_dict().values())
    wanted = weights * _SIZES_A_CHECKPOINT * (2 * fits + 1) if cfg.callbacks.get("checkpoint") is not None else 0
    folder = Path(expanded(cfg.output_root)).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < wanted + _LEAST_ROOM:
        rule = f"has {free / 1e6:,.0f} MB free; this run's checkpoints and logs need about"
        problem = Problem("output_root", f"{rule} {(wanted + _LEAST_ROOM) / 1e6:,.0f} MB, got {folder}")
        raise ConfigError([problem]) from UnwritableError(str(problem))
