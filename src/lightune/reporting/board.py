"""What a run tells its loggers beside its curves: how it began, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning.loggers.logger import Logger

from lightune.reporting.hparams import HParam


@dataclass(frozen=True)
class Session:
    """A run as a table of runs shows it.

    Args:
        hparams: the columns: dotted key → number, truth value or text; of a trial, the swept keys.
        row: what the run is called: its folder, relative to the output root.
        parameters: of all that is tuned, swept or not.
        group: the name of its study; of a run without one, its own.
        note: free text about it.
        tags: free words about it.
    """

    hparams: Mapping[str, HParam]
    row: str
    parameters: Mapping[str, HParam] = field(default_factory=dict)
    group: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()


class Board(Logger):
    """A logger that is told of a run's beginning and end; those of a run's fits are told of curves alone.

    Attributes:
        purge_step: set before the first value, where a run goes on: values of this step and later ones, written
            by the part before, are written again.
    """

    purge_step: int | None = None

    @property
    def name(self) -> str:
        """The run's folder has no folder of experiments above it."""
        return ""

    @property
    def version(self) -> str:
        """The run's folder has no versions below it."""
        return ""

    def start_session(self, session: Session) -> None:
        """Open the run's row."""

    def end_session(self, status: str, final: Mapping[str, float], step: int) -> None:
        """Close the run's row with its final figures and its true status.

        Args:
            status: as in `result.json`.
            final: tag → value, written once at the last step.
            step: the last step.
        """

    def log_picture(self, tag: str, picture: NDArray[np.uint8], step: int) -> None:
        """Add a picture (H, W, 3) uint8; one that shows none leaves it to the run's folder."""

    def close(self) -> None:
        """Close what was opened."""
