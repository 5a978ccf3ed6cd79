"""The rows of a study's trials on TensorBoard's HParams page.

Columns are what the rows have: a record that names them would hide those of every other study and run below the
same folder. This module must not import torch or Lightning, nor TensorBoard at its top.
"""

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

__all__ = ["RECORD", "complete_row", "has_board"]

RECORD = "_sweep"
"""The folder in which studies of earlier versions kept a record of their columns."""
_LOGGER = "lightune.reporting.tensorboard.TensorBoard"


def has_board(config: DictConfig) -> bool:
    """Return True if trials of a multirun log to TensorBoard."""
    loggers = OmegaConf.select(config, "logger") or OmegaConf.create({})
    return _LOGGER in str(OmegaConf.to_container(loggers, resolve=False))


def complete_row(folder: Path, hparams: Mapping[str, float | str], name: str) -> None:
    """Give a failed trial the row that it did not open, or the end that it did not live to write.

    Args:
        folder: the trial's.
        hparams: swept key → value.
        name: of the row, as the trial calls it.
    """
    from lightune.reporting.hparams import append, has_end, has_start, session_end, session_start

    written = b"".join(file.read_bytes() for file in sorted(folder.glob("events.out.tfevents.*")))
    start = [] if has_start(written) else [session_start(hparams, name)]
    end = [] if has_end(written) else [session_end("failed")]
    append(folder, [*start, *end])
