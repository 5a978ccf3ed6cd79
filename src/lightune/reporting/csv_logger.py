"""`metrics.csv` in a run's folder, which goes on where the run goes on."""

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment  # type: ignore[attr-defined]
from pytorch_lightning.utilities import rank_zero_only


class ResumableCSVLogger(CSVLogger):
    """Lightning's CSV logger, which deletes what an earlier part of a run has written; this one keeps it.

    Args:
        save_dir: the run's folder.
        name: folder below it; none by default.
        version: folder below that; none by default.

    Attributes:
        purge_step: set before the first value, where a run goes on: rows of this step and later ones are left out.
    """

    def __init__(self, save_dir: str, name: str = "", version: str = "") -> None:
        super().__init__(save_dir, name=name, version=version)
        self.purge_step: int | None = None
        self._is_open = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer of the file."""
        fresh, self._is_open = not self._is_open, True
        rows = self._rows_before() if fresh and self.purge_step is not None else []
        writer = super().experiment
        if fresh:
            writer.metrics = rows
        return writer

    @rank_zero_only
    def flush(self) -> None:
        """Bring everything to disk."""
        self.save()

    def _rows_before(self) -> list[dict[str, str]]:
        file = Path(self.log_dir) / "metrics.csv"
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", newline="") as lines:
            return [row for row in csv.DictReader(lines) if int(row["step"]) < (self.purge_step or 0)]
