"""Turn a configuration into the objects of a run: its data, its task, its trainer."""

import functools
import importlib.metadata
import inspect
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import execution_whitelist, instantiate
from lightning_fabric.utilities import registry
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from lightune.checkpoints import WholeCheckpointIO, plain_values
from lightune.config import schema
from lightune.config.trust import whitelist
from lightune.data import InMemoryData
from lightune.errors import ConfigError, Problem
from lightune.paths import torchrun_size
from lightune.runtime.data_cache import kept
from lightune.runtime.hardware import resolved_precision, use_matmul_precision, why_not_compiled
from lightune.secrets import redact_all, secret_values
from lightune.tasks import SupervisedTask
from lightune.validation import Holdout, Split

__all__ = ["FitPlan", "Parts", "build", "build_fit", "build_loggers", "build_trainer"]


@dataclass(frozen=True)
class FitPlan:
    """One of the trainings that a run consists of.

    Args:
        index: its number among them, from 0.
        seed: of its weights, its order of batches and its dropout.
        repeat: number of its repeat, from 0.
        fold: number of its division within the repeat, from 0.
        split: its rows; None where the data divide themselves.
    """

    index: int
    seed: int
    repeat: int = 0
    fold: int = 0
    split: Split | None = None


_SIZES_A_CHECKPOINT = 3  # the weights, and two moments of an optimizer
_LEAST_ROOM = 1_000_000  # bytes, for logs and figures
_SERVING = ("batch_size", "scaling", "target_scaling")
_MANY_STEPS = 100_000  # for trying a scheduler: more than any warm-up has


@dataclass(frozen=True)
class Parts:
    """What a run is made of, ready to train.

    Args:
        data: divided and scaled for the first fit.
        task: of the first fit, with fresh weights.
        plans: the fits, at least one.
        resampled: whether the training part of a fit is a bootstrap resample.
        seconds: how long building took.
    """

    data: LightningDataModule
    task: LightningModule
    plans: tuple[FitPlan, ...]
    resampled: bool
    seconds: float


def build(cfg: DictConfig, *, like: Parts | None = None, division: Parts | None = None) -> Parts:
    """Build the data and the first task of a validated configuration, and plan its fits.

    Shapes and counts flow from the data to whatever takes them by name; nobody writes them by hand.

    Args:
        cfg: the configuration.
        like: of a configuration that differs in numbers only: its samples are taken over instead of being read
            again, and what was tried then is not tried again.
        division: of a configuration with the same data, validation and seed: its data are taken as they are.

    Raises:
        ConfigError: if a part refuses its arguments, cannot be imported, or does not fit another.
    """
    began = time.perf_counter()
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = _build_data(cfg, like) if division is None else division.data
    validation = _make("validation", cfg.validation, {})
    plans = _plan_fits(cfg, data, validation) if division is None else division.plans
    if len(plans) > 1 and "checkpoint" not in cfg.callbacks:
        rule = f"is what the {len(plans)} fits of this run are tested from; choose callbacks=default"
        raise ConfigError([Problem("callbacks.checkpoint", rule)])
    task = build_fit(cfg, data, plans[0], divided=division is not None)
    if like is None:
        _try_network(cfg, task, data)
    _try_optimizer(task)
    if like is None:
        _try_trainer(cfg)
    for part in (task, data):  # what loggers are given of `save_hyperparameters`; the part keeps its own
        if part.hparams:
            hidden = redact_all(plain_values(part.hparams), secret_values(cfg))
            part._hparams_initial = hidden  # type: ignore[union-attr]
    _require_room(cfg, task, len(plans))
    resampled = getattr(validation, "estimate_632", False)
    return Parts(data, task, plans, resampled, time.perf_counter() - began)


def build_fit(
    cfg: DictConfig, data: LightningDataModule, plan: FitPlan, *, divided: bool = False
) -> LightningModule:
    """Divide the data as a fit wants them, unless they are, and build its task: all that learns from data is new.

    Raises:
        ConfigError: as `build`.
    """
    if plan.split is not None and isinstance(data, InMemoryData) and not divided:
        with _refusing("data"):
            data.divide(plan.split, seed=plan.seed)
    seed_everything(plan.seed, workers=True, verbose=False)
    return _build_task(cfg, data)


def _build_data(cfg: DictConfig, like: Parts | None) -> LightningDataModule:
    data: LightningDataModule = _make("data", cfg.data, {})
    with _refusing("data"):
        _require(
            isinstance(data, LightningDataModule), f"must be a LightningDataModule, got {type(data).__name__}"
        )
        data.prepare_data()
        if isinstance(data, InMemoryData):
            if like is not None and isinstance(like.data, InMemoryData):
                data.read(like.data.samples)
            data.read(kept(_source(cfg.data), lambda: data.samples))  # now, while a refusal is still due
        elif not hasattr(data, "input_shape"):
            data.setup("fit")
    return data


def _source(node: DictConfig) -> str:
    """Return all that what a data set reads may depend on; the rest of its node says how it is served."""
    plain = OmegaConf.to_container(node, resolve=True)
    assert isinstance(plain, dict)
    read = {key: value for key, value in plain.items() if key not in _SERVING}
    return f"{os.getcwd()} {read!r}"


def _plan_fits(cfg: DictConfig, data: LightningDataModule, validation: Any) -> tuple[FitPlan, ...]:
    """List the fits: every division of every repeat. A repeat has a seed of its own, but not a test part."""
    plans: list[FitPlan] = []
    for repeat in range(cfg.repeats):
        seed = (cfg.seed + repeat) % 2**32
        splits: list[Split | None] = [None]
        with _refusing("validation"):
            if isinstance(data, InMemoryData):
                splits = validation.splits(data.rows, seed=seed, test_seed=cfg.seed)
            elif not isinstance(validation, Holdout):
                kind = type(data).__name__
                raise ValueError(f"{kind} divides itself, which {type(validation).__name__} cannot do again")
        plans += [FitPlan(len(plans) + fold, seed, repeat, fold, split) for fold, split in enumerate(splits)]
    return tuple(plans)


def _build_task(cfg: DictConfig, data: LightningDataModule) -> LightningModule:
    shapes = _shapes(data)
    supply: dict[str, Callable[[], Any]] = {
        **{name: functools.partial(shapes.__getitem__, name) for name in shapes},
        "num_outputs": lambda: _num_outputs(supply["loss"](), shapes),
        "target_scaler": lambda: getattr(data, "target_scaler", None),
        "monitor": lambda: cfg.monitor.metric,
    }
    for group in ("model", "loss", "optimizer", "scheduler", "metrics", "regularization"):
        supply[group] = functools.cache(functools.partial(_make, group, cfg[group], supply))
    task: LightningModule = _make("task", cfg.task, supply)
    with _refusing("task"):
        _require(isinstance(task, LightningModule), f"must be a LightningModule, got {type(task).__name__}")
    return task


def _shapes(data: LightningDataModule) -> dict[str, Any]:
    """Return what the data tell of themselves."""
    names = ("input_shape", "num_classes", "num_targets")
    return {name: getattr(data, name) for name in names if hasattr(data, name)}


def _num_outputs(loss: nn.Module, shapes: Mapping[str, Any]) -> int:
    """Return how many outputs a model needs: what the loss says, else one a class or one a value."""
    classes, targets = shapes.get("num_classes", 0), shapes.get("num_targets", 0)
    told = getattr(loss, "num_outputs", None)
    if classes and callable(told):
        return int(told(classes))
    if not (count := classes or targets):
        raise ValueError("the data do not tell num_classes or num_targets; give them that attribute")
    return int(count)


def _make(group: str, node: DictConfig, supply: Mapping[str, Callable[[], Any]], key: str | None = None) -> Any:
    """Call a node's target with its own keys and whatever it takes of what is supplied.

    A node with `_partial_: true` is bound, not called; whoever uses it supplies the rest.
    """
    with _refusing(key or group):
        factory = _bound(OmegaConf.to_container(node, resolve=True, throw_on_missing=True))
        if node.get("_partial_"):
            return factory
        wanted = inspect.signature(factory.func).parameters
        names = [name for name in schema.SUPPLIED.get(group, ()) if name in wanted and name in supply]
        extra = {name: supply[name]() for name in names if name not in factory.keywords}
        return factory(**extra)


def _bound(plain: Any) -> functools.partial[Any]:
    """Bind a node's target to its keys, as Hydra does.

    Hydra copies a configuration several times to do so. A target that it has found and trusted before is bound
    without it, unless the node holds other nodes to build.

    Args:
        plain: the node, resolved.
    """
    trusted, target = whitelist(), plain.get("_target_")
    keys = {key for key in plain if key.startswith("_")}
    found = None if keys - {"_target_", "_partial_"} or _holds_targets(plain) else _found.get((target, trusted))
    if found is not None:
        return functools.partial(found, **{key: value for key, value in plain.items() if key not in keys})
    with execution_whitelist(list(trusted)):
        factory: functools.partial[Any] = instantiate(plain, _partial_=True, _convert_="all")
    _found[target, trusted] = factory.func
    return factory


_found: dict[tuple[Any, tuple[str, ...]], Callable[..., Any]] = {}


def _holds_targets(plain: Mapping[str, Any]) -> bool:
    """Tell whether there are nodes to build below a node."""
    inner: list[Any] = list(plain.values())
    while inner:
        value = inner.pop()
        if isinstance(value, dict):
            if "_target_" in value:
                return True
            inner.extend(value.values())
        elif isinstance(value, list):
            inner.extend(value)
    return False


@contextmanager
def _refusing(key: str) -> Any:
    """Turn whatever a part says against its arguments into a refusal that names the key."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError([Problem(key, _say(error))]) from error


def _say(error: Exception) -> str:
    cause: BaseException = error
    while isinstance(cause, InstantiationException | ImportError) and cause.__cause__ is not None:
        cause = cause.__cause__  # Hydra wraps what an import said
    text = " ".join(str(cause).split()) or "gave no reason"
    if isinstance(cause, ValueError | FileNotFoundError):
        return text
    return f"{type(cause).__name__}: {text}{_place(cause)}"


def _place(error: BaseException) -> str:
    """Return where in a user's own code an error arose, if it did."""
    ours = str(Path(__file__).parents[1])
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        file = frame.f_code.co_filename
        if (
            not file.startswith(("<", ours))
            and "site-packages" not in file
            and not file.startswith(sys.base_prefix)
        ):
            return f" ({os.path.relpath(file)}, line {frame.f_lineno})"
    return ""


def _require_room(cfg: DictConfig, task: LightningModule, fits: int) -> None:
    """Refuse a run whose checkpoints cannot fit on the disk."""
    weights = sum(tensor.numel() * tensor.element_size() for tensor in task.state_dict().values())
    wanted = weights * _SIZES_A_CHECKPOINT * (2 * fits + 1) if "checkpoint" in cfg.callbacks else 0
    folder = Path(cfg.output_root).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < wanted + _LEAST_ROOM:
        rule = f"has {free / 1e6:,.0f} MB free; this run's checkpoints and logs need about"
        raise ConfigError([Problem("output_root", f"{rule} {(wanted + _LEAST_ROOM) / 1e6:,.0f} MB, got {folder}")])


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def _try_network(cfg: DictConfig, task: LightningModule, data: LightningDataModule) -> None:
    """Run two samples through the model and the loss, for what they say."""
    if isinstance(task, SupervisedTask) and isinstance(data, InMemoryData):
        with _refusing("model"), torch.no_grad():
            x, target = next(iter(data.val_dataloader()))
            task.eval()
            outputs: Tensor = task(x[:2])
            task.train()
            wanted = (len(x[:2]), _num_outputs(task.loss, _shapes(data)))
            got = tuple(outputs.shape)
            _require(got == wanted, f"must map {len(x[:2])} samples to {wanted[1]} outputs each, got shape {got}")
        with _refusing("loss"), torch.no_grad():
            value: Tensor = task.loss(outputs, task.wanted(target[:2]))
            _require(value.ndim == 0, f"must return one number, got a tensor of shape {tuple(value.shape)}")


def _try_optimizer(task: LightningModule) -> None:
    """Make the optimizer and the scheduler that training will make, for what they say."""
    if isinstance(task, SupervisedTask):
        with _refusing("optimizer"):
            optimizer = task.make_optimizer()
        with _refusing("scheduler"):
            task.make_scheduler(optimizer, total_steps=_MANY_STEPS)


def _try_trainer(cfg: DictConfig) -> None:
    """Make the trainer, for what it says."""
    trainer: Trainer = build_trainer(cfg, run_dir=Path(cfg.output_root))
    _require_compiler(cfg.trainer, trainer.strategy.root_device.type)
    if trainer.world_size == 1 and (started := torchrun_size()) > 1:
        rule = f"is for one process, and torchrun has started {started}; choose trainer=ddp or do without torchrun"
        raise ConfigError([Problem("trainer", rule)])


def build_loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """Build the loggers of a configuration, to write into a folder."""
    save_dir = {"save_dir": lambda: str(folder)}
    return [_make("logger", node, save_dir, f"logger.{key}") for key, node in cfg.logger.items()]


def build_trainer(
    cfg: DictConfig, *, run_dir: Path, watchers: Sequence[Callback] = (), bare: bool = False
) -> Trainer:
    """Build the trainer of a configuration, with its callbacks and loggers; nothing is written yet.

    Args:
        cfg: a validated configuration.
        run_dir: where it will write.
        watchers: callbacks of lightune's own, which come first.
        bare: whether the callbacks and loggers of the configuration are left out: to measure, not to train.
    """
    loggers = [] if bare else build_loggers(cfg, run_dir)
    nodes = {} if bare else cfg.callbacks
    callbacks = [_make("callbacks", node, {}, f"callbacks.{key}") for key, node in nodes.items()]
    if not loggers:
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    _require_device(cfg.trainer)
    with _refusing("trainer"):
        plain = OmegaConf.to_container(cfg.trainer, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        factory = _bound({key: value for key, value in plain.items() if key not in schema.TRAINER_OURS})
        with _plugins_looked_up_once():
            trainer: Trainer = factory(
                precision=_precision(cfg.trainer),
                logger=loggers or False,
                callbacks=[*watchers, *callbacks],
                plugins=[WholeCheckpointIO(secret_values(cfg))],
                default_root_dir=str(run_dir),
                gradient_clip_val=cfg.regularization.get("gradient_clip"),
                enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_autolog_hparams=False,
            )
    use_matmul_precision(trainer.strategy.root_device.type, deterministic=bool(cfg.trainer.get("deterministic")))
    return trainer


@contextmanager
def _plugins_looked_up_once() -> Iterator[None]:
    """Lightning reads the metadata of all installed packages for each trainer; once a process is enough."""
    before = vars(registry)["entry_points"]
    vars(registry)["entry_points"] = _entry_points
    try:
        yield
    finally:
        vars(registry)["entry_points"] = before


_entry_points = functools.cache(importlib.metadata.entry_points)


def _require_compiler(trainer: DictConfig, device_type: str) -> None:
    mode = trainer.get("compile", "none")
    if mode != "none" and (reason := why_not_compiled(device_type)):
        raise ConfigError([Problem("trainer.compile", f"{reason}, got {mode}")])


def _require_device(trainer: DictConfig) -> None:
    accelerator, precision = trainer.get("accelerator", "auto"), str(trainer.get("precision", "auto"))
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if accelerator in ("gpu", "cuda") and not has_gpu:
        rule = f"there is no GPU that torch can use here; choose trainer=cpu or trainer=auto, got {accelerator}"
        raise ConfigError([Problem("trainer.accelerator", rule)])
    if precision.startswith("16") and (accelerator == "cpu" or not has_gpu):
        rule = f"needs a GPU; choose 32-true or bf16-mixed, got {precision}"
        raise ConfigError([Problem("trainer.precision", rule)])


def _precision(trainer: DictConfig) -> Any:
    """Resolve `auto` for the device that the trainer will take."""
    on_cuda = trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    has_bf16 = on_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return resolved_precision(trainer.get("precision", "auto"), on_cuda=on_cuda, has_bf16=has_bf16)
