"""Learning-rate schedules that torch does not have, or has not for runs that grow; optimizers are torch's own."""

from lightune.optim.schedulers import one_cycle, resume_scheduler, warmup_cosine

__all__ = ["one_cycle", "resume_scheduler", "warmup_cosine"]
