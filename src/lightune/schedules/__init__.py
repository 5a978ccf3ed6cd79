"""What changes over the epochs beside the learning rate: batch size and strengths of regularization."""

from lightune.schedules.growth import Growth, rate_left

__all__ = ["Growth", "rate_left"]
