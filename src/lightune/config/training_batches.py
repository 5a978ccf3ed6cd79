"""Set what is done to the batches that a network learns from: they are varied, mixed, and grow."""

from contextlib import AbstractContextManager
from typing import TypeGuard

from omegaconf import DictConfig
from pytorch_lightning import LightningDataModule, LightningModule

from lightune.augmentation import Augmentation, Mixing
from lightune.config.instantiate import make, naming_key, require
from lightune.data import InMemoryData
from lightune.losses.classification import ClassWeighted
from lightune.schedules import Growth
from lightune.tasks import SupervisedTask

__all__ = ["augment", "grow", "mix", "require_mixable"]


def augment(cfg: DictConfig, data: LightningDataModule) -> None:
    """Set how the training samples are varied; data of earlier versions' configurations are not."""
    augmentation = make("augmentation", cfg.augmentation, {})
    with naming_key("augmentation"):
        kind = type(augmentation).__name__
        require(
            isinstance(augmentation, Augmentation), f"must be a lightune.augmentation.Augmentation, got {kind}"
        )
        named = ", ".join(augmentation.strengths)
        if _serves_batches(data):
            data.augment(augmentation)
        else:
            rule = f"{type(data).__name__} makes training batches of its own, which {named} cannot vary"
            require(not named, f"{rule}; choose augmentation=none")


def grow(cfg: DictConfig, data: LightningDataModule) -> None:
    """Set how the training batches change their size; those of earlier versions' configurations do not."""
    schedule = make("schedule", cfg.schedule, {})
    with naming_key("schedule"):
        require(
            isinstance(schedule, Growth), f"must be a lightune.schedules.Growth, got {type(schedule).__name__}"
        )
    if _serves_batches(data):
        data.grow(schedule)
    else:
        rule = f"{type(data).__name__} makes training batches of its own, whose size stays"
        with naming_key("schedule.batch_growth"):
            require(schedule.batch_growth == 1, f"{rule}; choose schedule.batch_growth=1")


def mix(cfg: DictConfig, data: LightningDataModule) -> None:
    """Set how training samples are mixed with each other; those of earlier versions' configurations are not."""
    mixing = Mixing(*(cfg.regularization.get(name) or 0.0 for name in ("mixup", "cutmix")))
    if not mixing.strengths:
        return
    with _naming(mixing):
        rule = f"{type(data).__name__} makes training batches of its own, whose samples are not mixed"
        require(_serves_batches(data), f"{rule}; choose regularization=none")
        assert isinstance(data, InMemoryData)
        data.mix(mixing)


def require_mixable(task: LightningModule, data: LightningDataModule) -> None:
    """Require that a task and its loss know what to do with samples if they are mixed.

    Args:
        task: built for the data.
        data: divided.

    Raises:
        ConfigError: if they do not, or if inputs are numbers of categories.
    """
    if not isinstance(data, InMemoryData) or data.mixing is None:
        return
    with _naming(data.mixing):
        require(not data.cardinalities, "numbers of categories have no mixtures; choose data.categories=onehot")
        rule = f"{type(task).__name__} has no step for mixed samples"
        require(isinstance(task, SupervisedTask), f"{rule}; choose task=supervised, or regularization=none")
        rule = f"{type(task.loss).__name__} has no `of_each`, the loss of each sample"
        has_each = isinstance(task.loss, ClassWeighted) or not data.num_classes
        require(has_each, f"{rule}; choose loss=cross_entropy, bce or focal, or regularization=none")


def _naming(mixing: Mixing) -> AbstractContextManager[None]:
    return naming_key(f"regularization.{next(iter(mixing.strengths))}")


def _serves_batches(data: LightningDataModule) -> TypeGuard[InMemoryData]:
    """Return True if training batches are made by lightune's own loaders."""
    return isinstance(data, InMemoryData) and type(data).train_dataloader is InMemoryData.train_dataloader
