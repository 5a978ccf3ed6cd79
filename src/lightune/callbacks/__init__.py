"""What watches a training: the best and the last checkpoint, the record of a run, its progress."""

from lightune.callbacks.agreement import SharedStop
from lightune.callbacks.checkpoint import BestAndLast
from lightune.callbacks.continuation import Continuation
from lightune.callbacks.finite import FiniteLoss
from lightune.callbacks.interruption import Interruption
from lightune.callbacks.predictions import (
    TestPredictions,
    ValidationPredictions,
    ValidationStepPredictions,
    untold,
)
from lightune.callbacks.progress import Progress
from lightune.callbacks.pruning import Pruning
from lightune.callbacks.randomness import Randomness
from lightune.callbacks.record import Record

__all__ = [
    "BestAndLast",
    "Continuation",
    "FiniteLoss",
    "Interruption",
    "Progress",
    "Pruning",
    "Randomness",
    "Record",
    "SharedStop",
    "TestPredictions",
    "ValidationPredictions",
    "ValidationStepPredictions",
    "untold",
]
