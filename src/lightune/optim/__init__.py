"""Optimizers and learning-rate schedules that torch does not have, or has not for runs that grow."""

from lightune.optim.muon import Muon
from lightune.optim.schedulers import one_cycle, resume_scheduler, warmup_cosine

__all__ = ["Muon", "one_cycle", "resume_scheduler", "warmup_cosine"]
