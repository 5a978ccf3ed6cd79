"""Keep Lightning's advertisements and repeated warnings off the terminal, and give everything back afterwards."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_TALKERS = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric", "torch.distributed")
_NOISE = (
    r".*does not have many workers.*",
    r".*smaller than the logging interval.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*`LeafSpec` is deprecated.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*`training_step` returned `None`.*",
    r".*overfit.*",
    r".*Encountered `nan` values in tensor.*",
    r".*lr_scheduler.step\(\).* before .*optimizer.step\(\).*",
    r".*Experiment logs directory .* exists and is not empty.*",
    r".*[Tt]ensor.? [Cc]ores.*",
    r".*No (positive|negative) samples in targets.*",
)


@contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Silence what a trainer says of itself, unless `verbose`; warnings that matter still come through."""
    if verbose:
        yield
        return
    levels = {name: logging.getLogger(name).level for name in _TALKERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in _NOISE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
