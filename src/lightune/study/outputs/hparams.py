"""The record of a study on TensorBoard's HParams page: one row per trial, with the swept keys only.

This module must not import torch or Lightning, nor TensorBoard at its top.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from lightune.study.definition.settings import Objective
from lightune.study.space.dimensions import Dimension, Interval, text_keys
from lightune.study.space.space import Space

if TYPE_CHECKING:
    from lightune.reporting.hparams import Column

__all__ = ["FOLDER", "complete_row", "write_experiment"]

FOLDER = "_sweep"
_LOGGER = "lightune.reporting.tensorboard.TensorBoard"


def write_experiment(folder: Path, config: DictConfig, space: Space, objectives: Sequence[Objective]) -> None:
    """Write the one experiment record of a study, if its trials log to TensorBoard.

    Args:
        folder: the study's.
        config: of the multirun.
        space: its keys become the columns.
        objectives: their metrics stand first.
    """
    loggers = OmegaConf.to_container(OmegaConf.select(config, "logger") or OmegaConf.create({}), resolve=False)
    if _LOGGER not in str(loggers) or (folder / FOLDER).exists():
        return
    from lightune.reporting.hparams import append, experiment

    columns = [_column(dimension) for dimension in space.dimensions]
    append(folder / FOLDER, [experiment(f"study {folder.name}", columns, _metrics(objectives))])


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


def _metrics(objectives: Sequence[Objective]) -> list[str]:
    from lightune.reporting.hparams import BEST

    named = [objective.metric for objective in objectives if objective.metric]
    tags = [f"{BEST}{name}" if name.startswith("val/") else name for name in [*named, "val/loss"]]
    return list(dict.fromkeys(["objective", *tags]))


def _column(dimension: Dimension) -> "Column":
    """Return the column of a swept key; one that does not exist everywhere holds texts, `-` where it does not."""
    from lightune.reporting.hparams import Column

    name = dimension.key.lstrip("+")
    in_texts = bool(text_keys([dimension]))
    if isinstance(dimension, Interval):
        return Column(name) if in_texts else Column(name, interval=(dimension.low, dimension.high))
    if not in_texts:
        return Column(name, numbers=list(map(float, dimension.grid())))
    return Column(name, texts=[*dimension.grid(), *(["-"] if dimension.when else [])])
