"""What a training gets of its batches: enough of them, in time for a validation, and of enough rows."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from lightune.data import InMemoryData
from lightune.data.loader import batches_of
from lightune.errors import ConfigError, Problem, reason_of
from lightune.tasks import SupervisedTask
from lightune.validation import Split
from lightune.wording import counted

__all__ = ["limited", "require_batches"]

_NORMALIZING = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.InstanceNorm1d)


@dataclass(frozen=True)
class _Sizes:
    """How many batches a fit has, and how many rows the smallest of its training batches.

    Args:
        where: which fit, for messages; empty where there is one.
        train: training batches an epoch; None where the data do not tell.
        val: validation batches.
        test: test batches.
        rows: of the smallest training batch of a process; None where the data do not tell.
        of: what the training batches are made of, for messages.
    """

    where: str
    train: int | None
    val: int | None
    test: int | None
    rows: int | None
    of: str = ""


def require_batches(
    cfg: DictConfig,
    trainer: Trainer,
    task: LightningModule,
    data: LightningDataModule,
    splits: Sequence[Split | None],
) -> None:
    """Refuse a run that would train on nothing, measure nothing, or give a network batches it cannot learn from.

    Args:
        cfg: the run's configuration.
        trainer: of its first fit.
        task: of its first fit.
        data: of the run.
        splits: of each fit the rows; None where the data divide themselves.

    Raises:
        ConfigError: with the numbers of the first fit that it is true of.
    """
    problems: list[Problem] = []
    for sizes in _sizes(cfg, trainer, task, data, splits):
        problems += _limits(cfg, sizes)
        if sizes.train is not None and not problems:
            problems += _validations(cfg, trainer, task, sizes)
        if sizes.rows == 1 and (reason := _refusal_of_one_row(task, data)):
            problems.append(_one_row(cfg, data, sizes, reason))
        if problems:
            break
    if isinstance(task, SupervisedTask) and task.schedules_steps:
        problems += _length(cfg, trainer, data)
    if problems:
        raise ConfigError(problems)


def _sizes(
    cfg: DictConfig,
    trainer: Trainer,
    task: LightningModule,
    data: LightningDataModule,
    splits: Sequence[Split | None],
) -> Iterator[_Sizes]:
    processes = trainer.world_size
    for index, split in enumerate(splits):
        where = f" (fit {index + 1} of {len(splits)})" if len(splits) > 1 else ""
        if split is not None and isinstance(data, InMemoryData):
            rows, size = len(split.train), data.batch_size
            of = f"{counted(rows, 'row')} in batches of {rows if size == 'full' else size}"
            batches, least = batches_of(rows, rows if size == "full" else size, processes)
            val, test = (
                batches_of(len(part), data.judging_batch, processes)[0] for part in (split.val, split.test)
            )
            yield _Sizes(where, batches, val, test, least, of)
        elif _asks_for_batches(cfg, task):
            loader = _loader(data)
            yield _Sizes(where, _length_of(loader), None, None, *_least_rows(loader))


def _limits(cfg: DictConfig, sizes: _Sizes) -> Iterator[Problem]:
    """Yield where a share of the batches is less than one."""
    shares = {
        "limit_train_batches": sizes.train,
        "overfit_batches": sizes.train,
        "limit_val_batches": sizes.val,
        "limit_test_batches": sizes.test if cfg.test else None,
    }
    for key, batches in shares.items():
        share = cfg.trainer.get(key)
        if isinstance(share, float) and batches and 0 < share < 1 and int(batches * share) < 1:
            rule = f"leaves none of {_several(batches)}{sizes.where}, got {share}"
            yield Problem(f"trainer.{key}", f"{rule}; say at least {1 / batches:.2g}, or how many batches")


def _validations(cfg: DictConfig, trainer: Trainer, task: LightningModule, sizes: _Sizes) -> Iterator[Problem]:
    """Yield why the monitored metric would not be measured, or Lightning would refuse the interval."""
    batches, where = sizes.train or 0, sizes.where
    batches = limited(batches, trainer)
    interval, every = trainer.val_check_interval, trainer.check_val_every_n_epoch
    if trainer.limit_val_batches == 0:
        return
    if isinstance(interval, int) and every is not None and interval > batches:
        rule = f"must be at most the {_several(batches)} of an epoch{where}, got {interval}"
        cure = "to count them across epochs, add +trainer.check_val_every_n_epoch=null"
        yield Problem("trainer.val_check_interval", f"{rule}; {cure}")
        return
    if not cfg.monitor.metric.startswith("val/") or not isinstance(interval, int | float):
        return
    within = interval if isinstance(interval, int) else max(1, int(batches * interval))
    first = within if every is None else (every - 1) * batches + within
    epochs, steps, each = trainer.max_epochs, trainer.max_steps, trainer.accumulate_grad_batches
    a_epoch = math.ceil(batches / each)
    key, value, needed = "trainer.max_epochs", epochs, math.ceil(first / batches)
    if epochs is None or not 0 < epochs * batches < first:
        whole, rest = divmod(first, batches)
        key, value, needed = "trainer.max_steps", steps, whole * a_epoch + math.ceil(rest / each)
        if not task.automatic_optimization or not 0 <= steps < needed:
            return
    rule = f"must be >= {needed}, when {cfg.monitor.metric} is measured first{where}, got {value}"
    yield Problem(key, f"{rule}; or validate earlier, or follow a metric of the training")


def limited(batches: int, trainer: Trainer) -> int:
    """Return how many training batches of an epoch a trainer takes: its limit is a number or a share."""
    limit = trainer.limit_train_batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))


def _one_row(cfg: DictConfig, data: LightningDataModule, sizes: _Sizes, reason: str) -> Problem:
    rule = f"makes a training batch of one row ({sizes.of}{sizes.where}), which the model refuses: {reason}"
    if isinstance(data, InMemoryData):
        return Problem("data.batch_size", f"{rule}; make it at least 2, got {cfg.data.get('batch_size')}")
    return Problem("data", f"{rule}; choose another batch size, or drop_last=True in its DataLoader")


def _refusal_of_one_row(task: LightningModule, data: LightningDataModule) -> str | None:
    """Return what a network says that is given one row to learn from; None if it learns."""
    if not isinstance(task, SupervisedTask):
        return None
    if isinstance(data, InMemoryData):
        x = next(iter(data.val_dataloader()))[0][:1]
    else:
        x = next(iter(_loader(data)))[0][:1]
    model = copy.deepcopy(task.model).train()  # statistics of a batch must not change
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            model(x)
        except ValueError as error:
            return reason_of(error)
    return None


def _length(cfg: DictConfig, trainer: Trainer, data: LightningDataModule) -> Iterator[Problem]:
    """Yield why a schedule over the length of the run cannot know it."""
    known = trainer.max_steps >= 0 or isinstance(trainer.limit_train_batches, int)
    if isinstance(data, InMemoryData) or known or _length_of(_loader(data)) is not None:
        return
    target = str(cfg.scheduler.get("_target_")).rpartition(".")[2]
    rule = f"{target} needs the number of steps, and the batches of {type(data).__name__} have no length"
    yield Problem(
        "scheduler", f"{rule}; set +trainer.max_steps, or how many batches: +trainer.limit_train_batches"
    )


def _asks_for_batches(cfg: DictConfig, task: LightningModule) -> bool:
    """Return True if it matters how many batches data of one's own have: making their loaders may take long."""
    keys = ("limit_train_batches", "overfit_batches", "val_check_interval", "max_steps")
    normalizes = any(isinstance(module, _NORMALIZING) for module in task.modules())
    return normalizes or any(cfg.trainer.get(key) is not None for key in keys)


def _loader(data: LightningDataModule) -> Any:
    data.setup("fit")
    return data.train_dataloader()


def _length_of(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None  # of an IterableDataset


def _least_rows(loader: Any) -> tuple[int | None, str]:
    """Return the rows of the last batch of a DataLoader and of what it is made; None where that is not known."""
    if (
        not isinstance(loader, DataLoader)
        or loader.batch_size is None
        or isinstance(loader.dataset, IterableDataset)
    ):
        return None, ""
    rows, size = len(loader.sampler), loader.batch_size  # type: ignore[arg-type]
    rest = size if loader.drop_last else rows % size or size
    return rest, f"{counted(rows, 'row')} in batches of {size}"


def _several(batches: int) -> str:
    return counted(batches, "batch", "batches")
