"""How a network learns: one LightningModule made of parts."""

from lightune.tasks.supervised import SupervisedTask

__all__ = ["SupervisedTask"]
