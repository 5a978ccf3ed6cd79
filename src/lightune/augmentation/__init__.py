"""Random variation of training samples: pure functions of (seed, epoch, row) on whole batches."""

from lightune.augmentation.mixing import Mixing
from lightune.augmentation.strengths import Augmentation
from lightune.augmentation.values import ValueRange

__all__ = ["Augmentation", "Mixing", "ValueRange"]
