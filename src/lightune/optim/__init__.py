"""Learning-rate schedules that torch does not have; optimizers are torch's own."""

from lightune.optim.schedulers import warmup_cosine

__all__ = ["warmup_cosine"]
