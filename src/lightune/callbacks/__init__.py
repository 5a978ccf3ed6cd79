"""What watches a training: the best and the last checkpoint, the record of a run, its progress."""

from lightune.callbacks.checkpoint import BestAndLast
from lightune.callbacks.progress import Progress
from lightune.callbacks.pruning import Pruning
from lightune.callbacks.record import Record

__all__ = ["BestAndLast", "Progress", "Pruning", "Record"]
