"""Turn a configuration into the parts of a run: its data, its task, its fits, its trainer."""

import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import LightningDataModule, LightningModule, Trainer, seed_everything

from lightune.checkpoints import plain_values
from lightune.config.batches import require_batches
from lightune.config.dry_run import (
    num_outputs,
    require_findable,
    require_room,
    shapes_of,
    try_loggers,
    try_network,
    try_optimizer,
    try_trainer,
)
from lightune.config.instantiate import bind, make, naming_key, require
from lightune.config.metrics import make_metrics, try_metrics
from lightune.config.trainer import make_trainer
from lightune.config.training_batches import augment, grow, mix, require_mixable
from lightune.data import InMemoryData
from lightune.data.frozen_features import FrozenFeatures
from lightune.data.indexed import IndexedData
from lightune.data.scaling import Affine
from lightune.errors import ConfigError, Problem
from lightune.models import TransferNetwork
from lightune.paths import expanded
from lightune.private_api.lightning import set_initial_hparams
from lightune.runtime.data_cache import kept
from lightune.secrets import redact_all, secret_values
from lightune.tasks import SupervisedTask
from lightune.validation import Holdout, Split

__all__ = ["FitPlan", "Parts", "build", "build_fit", "build_task", "make_data"]

_SERVING = (
    "cache",
    "batch_size",
    "scaling",
    "target_scaling",
    "missing_indicator",
    "categories",
    "min_frequency",
    "max_vocabulary",
)


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


@dataclass(frozen=True)
class Parts:
    """What a run is made of, ready to train.

    Args:
        data: divided and scaled for the first fit.
        task: of the first fit, with fresh weights.
        plans: the fits, at least one.
        resampled: whether the training part of a fit is a bootstrap resample.
        seconds: wall time of building.
        trainer: of the first fit; None where the parts were built like others, which had one made.
    """

    data: LightningDataModule
    task: LightningModule
    plans: tuple[FitPlan, ...]
    resampled: bool
    seconds: float
    trainer: Trainer | None = None


def build(cfg: DictConfig, *, like: Parts | None = None, division: Parts | None = None) -> Parts:
    """Seed, build the data, the first task and the trainer of a validated configuration, and plan its fits.

    Shapes and counts are passed from the data to the parts that have an argument of that name; nobody writes them
    by hand.

    Args:
        cfg: the configuration.
        like: of a configuration that differs in numbers only: its samples are shared instead of read again, and
            its network and trainer are not tried again.
        division: of a configuration with the same data, validation and seed: its data are shared as they are.

    Raises:
        ConfigError: if a part refuses its arguments, cannot be imported, or does not fit another.
    """
    began = time.perf_counter()
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = _build_data(cfg, like) if division is None else division.data
    validation = make("validation", cfg.validation, {})
    if not isinstance(data, InMemoryData | IndexedData) and not isinstance(validation, Holdout):
        with naming_key("validation"):
            data = _numbered(data)
    plans = _plan_fits(cfg, data, validation) if division is None else division.plans
    if len(plans) > 1 and cfg.callbacks.get("checkpoint") is None:
        rule = f"is what the {len(plans)} fits of this run are tested from; choose callbacks=default"
        raise ConfigError([Problem("callbacks.checkpoint", rule)])
    task = build_fit(cfg, data, plans[0], divided=division is not None)
    require_mixable(task, data)
    if like is None:
        try_network(task, data)
        if isinstance(task, SupervisedTask):
            try_metrics(cfg, task.metrics, task.num_classes, getattr(data, "num_targets", 0))
        try_loggers(cfg)
    trainer = make_trainer(cfg) if like is None else None
    if trainer is not None:
        try_trainer(cfg, trainer)
        require_findable(cfg, trainer, task, data, len(plans))
        require_batches(cfg, trainer, task, data, [plan.split for plan in plans])
    try_optimizer(task)
    _hide_secrets(cfg, task, data)
    require_room(cfg, task, len(plans))
    resampled = getattr(validation, "estimate_632", False)
    return Parts(data, task, plans, resampled, time.perf_counter() - began, trainer)


def build_fit(
    cfg: DictConfig, data: LightningDataModule, plan: FitPlan, *, divided: bool = False
) -> LightningModule:
    """Divide the data for a fit, unless they are divided, and build its task: all that learns from data is new.

    Args:
        cfg: the configuration.
        data: changed in place.
        plan: of the fit.
        divided: whether the data are divided for this fit already.

    Raises:
        ConfigError: as `build`.
    """
    if plan.split is not None and isinstance(data, InMemoryData | IndexedData) and not divided:
        with naming_key("data"):
            data.divide(plan.split, seed=plan.seed)
    seed_everything(plan.seed, workers=True, verbose=False)
    task = build_task(cfg, shapes_of(data), getattr(data, "target_scaler", None))
    if isinstance(task, SupervisedTask) and isinstance(data, InMemoryData) and plan.split is not None:
        task.described = data.described()
        _compute_once(cfg, task, data)
    return task


def _compute_once(cfg: DictConfig, task: SupervisedTask, data: InMemoryData) -> None:
    """Let the data be what a frozen body gives for them, and the network its head, where that is the same."""
    if not isinstance(task.model, TransferNetwork):
        return
    views, why_not = task.model.views, task.model.why_not_once
    if why_not is None and data.mixing is not None:
        why_not = "mixing changes images before the body"
    if views:
        with naming_key("model.views"):
            require(why_not is None, f"is for features that are computed once, and {why_not}; choose 0")
            rule = "is how many augmented views there are, and nothing varies images; choose an augmentation, or 0"
            require(data.variation is not None, rule)
    if why_not is not None or (data.variation is not None and not views):
        return
    body = task.model.take_body()
    on_gpu = torch.cuda.is_available() and cfg.trainer.get("accelerator") in ("auto", "gpu", "cuda")
    device = torch.device("cuda" if on_gpu else "cpu")
    kept = Path(_output_root(cfg)) / "cache" / "features" if cfg.data.get("cache", True) else None
    data.compute_once(FrozenFeatures(body.on(device), body.digest, device, kept), views)


def make_data(cfg: DictConfig) -> Any:
    """Make the data of a configuration; nothing is read yet.

    Args:
        cfg: the configuration.

    Raises:
        ConfigError: if their arguments are refused.
    """
    supply = {"output_root": lambda: _output_root(cfg), "group_column": lambda: _group_column(cfg)}
    return make("data", cfg.data, supply)


def _output_root(cfg: DictConfig) -> str:
    return os.path.abspath(expanded(cfg.output_root))


def _group_column(cfg: DictConfig) -> str | None:
    """Return the column whose groups a division keeps together; None for none."""
    column: str | None = cfg.validation.get("groups")
    return column


def _build_data(cfg: DictConfig, like: Parts | None) -> LightningDataModule:
    data: LightningDataModule = make_data(cfg)
    with naming_key("data"):
        require(isinstance(data, LightningDataModule), f"must be a LightningDataModule, got {type(data).__name__}")
        if cfg.data.get("tokens") == "model":
            _cut_as_model(cfg, data)
        data.prepare_data()
        if isinstance(data, InMemoryData):
            if like is not None and isinstance(like.data, InMemoryData):
                data.read(like.data.samples)
            data.read(kept(_source(cfg), lambda: data.samples))  # now, while a refusal is still due
        elif not hasattr(data, "input_shape"):
            data.setup("fit")
    if cfg.get("augmentation") is not None:
        augment(cfg, data)
    if cfg.get("schedule") is not None:
        grow(cfg, data)
    mix(cfg, data)
    if isinstance(data, InMemoryData):
        if cfg.data.get("scaling") == "weights":
            with naming_key("model"):
                model = bind(OmegaConf.to_container(cfg.model, resolve=True))
                if statistics_of := getattr(model.func, "statistics_of", None):
                    data.scale_as(*statistics_of(**model.keywords))
        if cfg.model.get("freeze") == "features":
            data.scale_late()
    return data


def _numbered(data: LightningDataModule) -> IndexedData:
    """Return data that divide themselves as those whose training and validation samples can be divided anew."""
    data.setup("fit")
    return IndexedData(data)


def _cut_as_model(cfg: DictConfig, data: LightningDataModule) -> None:
    """Let texts be cut as the network's own tokenizer does."""
    with naming_key("data.tokens"):
        model = bind(OmegaConf.to_container(cfg.model, resolve=True))
        tokenizer_of: Any = getattr(model.func, "tokenizer_of", None)
        cut_as: Any = getattr(data, "cut_as", None)
        rule = "model is for texts and a network with a tokenizer of its own, such as model=huggingface"
        require(None not in (tokenizer_of, cut_as), rule)
        with naming_key("model.name"):
            cut_as(tokenizer_of(**model.keywords))


def _source(cfg: DictConfig) -> str:
    """Return all that the samples of a data set may depend on; the other keys of its node say how it is served."""
    plain = OmegaConf.to_container(cfg.data, resolve=True)
    assert isinstance(plain, dict)
    read = {key: value for key, value in plain.items() if key not in _SERVING}
    cut_by = cfg.model.get("name") if cfg.data.get("tokens") == "model" else None
    return f"{os.getcwd()} {read!r} {_group_column(cfg)!r} {cut_by!r}"


def _plan_fits(cfg: DictConfig, data: LightningDataModule, validation: Any) -> tuple[FitPlan, ...]:
    """List the fits: every division of every repeat. A repeat has a seed of its own, but not a test part."""
    plans: list[FitPlan] = []
    for repeat in range(cfg.repeats):
        seed = (cfg.seed + repeat) % 2**32
        splits: list[Split | None] = [None]
        with naming_key("validation"):
            if isinstance(data, InMemoryData | IndexedData):
                splits = validation.splits_of_repeat(data.rows, repeat, seed=cfg.seed)
        plans += [FitPlan(len(plans) + fold, seed, repeat, fold, split) for fold, split in enumerate(splits)]
    return tuple(plans)


def build_task(cfg: DictConfig, shapes: Mapping[str, Any], target_scaler: Affine | None = None) -> LightningModule:
    """Build the task of a configuration, with fresh weights.

    Args:
        cfg: the configuration.
        shapes: of the data, as `shapes_of` returns them.
        target_scaler: scales the targets of regression.

    Raises:
        ConfigError: as `build`.
    """
    supply: dict[str, Callable[[], Any]] = {
        **{name: functools.partial(shapes.__getitem__, name) for name in shapes},
        "num_outputs": lambda: num_outputs(supply["loss"](), shapes),
        "target_scaler": lambda: target_scaler,
        "monitor": lambda: cfg.monitor.metric,
    }
    for group in ("model", "loss", "optimizer", "scheduler", "regularization"):
        supply[group] = functools.cache(functools.partial(make, group, cfg[group], supply))
    supply["metrics"] = functools.cache(functools.partial(make_metrics, cfg.metrics, supply))
    if cfg.get("schedule") is not None:
        supply["schedule"] = functools.cache(functools.partial(make, "schedule", cfg.schedule, supply))
    task: LightningModule = make("task", cfg.task, supply)
    with naming_key("task"):
        require(isinstance(task, LightningModule), f"must be a LightningModule, got {type(task).__name__}")
    return task


def _hide_secrets(cfg: DictConfig, task: LightningModule, data: LightningDataModule) -> None:
    """Redact what loggers are given of `save_hyperparameters`; the parts keep their own."""
    for part in (task, data):
        if part.hparams:
            set_initial_hparams(part, redact_all(plain_values(part.hparams), secret_values(cfg)))
