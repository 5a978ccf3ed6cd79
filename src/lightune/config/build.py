"""Turn a configuration into the objects of a run: its data, its task, its trainer."""

import functools
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import execution_whitelist, instantiate
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from lightune.checkpoints import WholeCheckpointIO
from lightune.config import schema
from lightune.config.trust import whitelist
from lightune.data import InMemoryData
from lightune.errors import ConfigError, Problem
from lightune.tasks import SupervisedTask

__all__ = ["Parts", "build", "build_trainer"]


@dataclass(frozen=True)
class Parts:
    """What a run is made of, ready to train.

    Args:
        data: divided and scaled.
        task: with fresh weights.
        seconds: how long building took.
    """

    data: LightningDataModule
    task: LightningModule
    seconds: float


def build(cfg: DictConfig, *, data: LightningDataModule | None = None) -> Parts:
    """Build the data and the task of a validated configuration.

    Shapes and counts flow from the data to whatever takes them by name; nobody writes them by hand.

    Args:
        cfg: the configuration.
        data: what `build_data(cfg)` returned, if it was called before.

    Raises:
        ConfigError: if a part refuses its arguments, cannot be imported, or does not fit another.
    """
    began = time.perf_counter()
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = data or build_data(cfg)
    seed_everything(cfg.seed, workers=True, verbose=False)  # weights do not depend on what reading data drew
    task = _build_task(cfg, data)
    _try_parts(cfg, task, data)
    return Parts(data, task, time.perf_counter() - began)


def build_data(cfg: DictConfig, *, like: InMemoryData | None = None) -> LightningDataModule:
    """Build the data of a configuration, divided if lightune divides them.

    Args:
        cfg: the configuration.
        like: data of the same `data` node, whose samples are taken over instead of being read again.
    """
    data: LightningDataModule = _make("data", cfg.data, {})
    with _refusing("data"):
        _require(
            isinstance(data, LightningDataModule), f"must be a LightningDataModule, got {type(data).__name__}"
        )
        data.prepare_data()
        if not isinstance(data, InMemoryData):
            if not hasattr(data, "input_shape"):
                data.setup("fit")
            return data
        if like is not None:
            data.share_samples(like)
        samples = data.samples
    validation = _make("validation", cfg.validation, {})
    with _refusing("validation"):
        split = validation.split(
            samples.targets.numpy() if samples.num_classes else None,
            len(samples.targets),
            official_test=samples.official_test,
            seed=cfg.seed,
        )
        data.divide(split, seed=cfg.seed)
    return data


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
        with execution_whitelist(list(whitelist())):
            factory = instantiate(node, _partial_=True, _convert_="all")
        if node.get("_partial_"):
            return factory
        wanted = inspect.signature(factory.func).parameters
        names = [name for name in schema.SUPPLIED.get(group, ()) if name in wanted and name in supply]
        extra = {name: supply[name]() for name in names if name not in factory.keywords}
        return factory(**extra)


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
    return text if isinstance(cause, ValueError | FileNotFoundError) else f"{type(cause).__name__}: {text}"


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def _try_parts(cfg: DictConfig, task: LightningModule, data: LightningDataModule) -> None:
    """Run two samples through the model and the trainer's constructor through its arguments, for what they say."""
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
    build_trainer(cfg, run_dir=Path(cfg.output_root))


def build_trainer(cfg: DictConfig, *, run_dir: Path, watchers: Sequence[Callback] = ()) -> Trainer:
    """Build the trainer of a configuration, with its callbacks and loggers; nothing is written yet.

    Args:
        cfg: a validated configuration.
        run_dir: where it will write.
        watchers: callbacks of lightune's own, which come first.
    """
    save_dir = {"save_dir": lambda: str(run_dir)}
    loggers: list[Logger] = [_make("logger", node, save_dir, f"logger.{key}") for key, node in cfg.logger.items()]
    callbacks = [_make("callbacks", node, {}, f"callbacks.{key}") for key, node in cfg.callbacks.items()]
    if not loggers:
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    with _refusing("trainer"):
        with execution_whitelist(list(whitelist())):
            given = {key: value for key, value in cfg.trainer.items() if key not in schema.TRAINER_OURS}
            factory = instantiate(given, _partial_=True, _convert_="all")
        trainer: Trainer = factory(
            precision=_precision(cfg.trainer),
            logger=loggers or False,
            callbacks=[*watchers, *callbacks],
            plugins=[WholeCheckpointIO()],
            default_root_dir=str(run_dir),
            gradient_clip_val=cfg.regularization.get("gradient_clip"),
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_autolog_hparams=False,
        )
    return trainer


def _precision(trainer: DictConfig) -> Any:
    """Resolve `auto`: bf16-mixed on a CUDA device that computes in it, else 32-true."""
    precision = trainer.get("precision", "auto")
    if precision != "auto":
        return precision
    on_gpu = trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
