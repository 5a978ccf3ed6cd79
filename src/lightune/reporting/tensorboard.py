"""Curves for TensorBoard, and the row of a run on its HParams page."""

import threading
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning.loggers.logger import rank_zero_experiment  # type: ignore[attr-defined]
from pytorch_lightning.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import FileWriter, SummaryWriter

from lightune.reporting.board import Board, Session
from lightune.reporting.hparams import FILE_VERSION, HParam, event_file, session_end, session_start

_FLUSH_SECONDS = 10

_ONE_CLASS = ("regularization", "augmentation", "schedule")  # groups whose options are numbers of one class


class TensorBoard(Board):
    """Write event files into the run's folder, and to disk every ten seconds rather than at every value.

    Lightning's own logger flushes whenever it logs, adds an `epoch` curve and a placeholder `hp_metric`.

    Args:
        save_dir: the run's folder.

    Attributes:
        purge_step: set before the first value, where a run goes on: values of this step and later ones, written
            by the part before, are taken back.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._save_dir = save_dir
        self.purge_step: int | None = None
        self._writer: SummaryWriter | None = None

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return self._save_dir

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return self._save_dir

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """The writer, for images, histograms and the like."""
        if self._writer is None:
            if self.purge_step is not None:
                self._outlast_earlier_files()
            self._writer = _Writer(self._save_dir, purge_step=self.purge_step)
        return self._writer

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve; the `epoch` that Lightning adds is left out."""
        values = [
            Summary.Value(tag=tag, simple_value=float(value)) for tag, value in metrics.items() if tag != "epoch"
        ]
        if values:
            self._write(Summary(value=values), step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: what a module saved of its arguments is not what a person chose; see `start_session`."""

    @rank_zero_only
    def start_session(self, session: Session) -> None:
        """Open the run's row on the HParams page; runs whose rows have one name would be averaged in one."""
        self._write(session_start(session.hparams, session.row))

    @rank_zero_only
    def end_session(self, status: str, final: Mapping[str, float], step: int) -> None:
        """Close the run's row with its final figures and its true status.

        Args:
            status: as in `result.json`.
            final: tag → value, written once at the last step.
            step: the last step.
        """
        self.log_metrics(final, step)
        self._write(session_end(status))
        self.experiment.flush()

    @rank_zero_only
    def log_picture(self, tag: str, picture: NDArray[np.uint8], step: int) -> None:
        """Add a picture (H, W, 3) uint8."""
        self.experiment.add_image(tag, picture, step, dataformats="HWC")

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Bring everything to disk; a test that follows the training still finds the writer open."""
        self.flush()

    @rank_zero_only
    def flush(self) -> None:
        """Bring everything to disk."""
        if self._writer is not None:
            self._writer.flush()

    @rank_zero_only
    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _outlast_earlier_files(self) -> None:
        """Wait for the next second, if need be: TensorBoard reads files by the second in their names."""
        seconds = [int(file.name.split(".")[3]) for file in Path(self._save_dir).glob("events.out.tfevents.*")]
        while seconds and time.time() < max(seconds) + 1:
            time.sleep(0.05)

    def _write(self, message: Any, step: int | None = None) -> None:
        writer = self.experiment.file_writer
        assert writer is not None
        writer.add_summary(message, step)


class _Writer(SummaryWriter):
    """torch's writer without its thread: many runs in one process would have as many."""

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            writer = self.file_writer = _FileWriter(str(self.log_dir))  # type: ignore[assignment]
            self.all_writers = {str(self.log_dir): writer}  # type: ignore[assignment]
            if self.purge_step is not None:
                writer.add_event(Event(file_version=FILE_VERSION), self.purge_step)
                writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), self.purge_step)
                self.purge_step = None
        return self.file_writer  # type: ignore[return-value]


class _FileWriter(FileWriter):
    def __init__(self, folder: str) -> None:
        self.event_writer = _Events(folder)


class _Events(EventFileWriter):  # type: ignore[misc]
    """Write each event where it is said, and to disk with the first that comes ten seconds after the last time."""

    def __init__(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._logdir = folder
        self._file = (Path(folder) / event_file()).open("wb")
        self._records, self._lock = RecordWriter(self._file), threading.Lock()
        self._flushed = time.monotonic()
        self.add_event(Event(wall_time=time.time(), file_version=FILE_VERSION))
        self.flush()

    def add_event(self, event: Event) -> None:
        with self._lock:
            self._records.write(event.SerializeToString())
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._file.close()


def hparams_of(
    tree: Mapping[str, Any], groups: tuple[str, ...], options: Mapping[str, str | None]
) -> dict[str, HParam]:
    """Flatten the parts of a configuration that a person tunes into the columns of the HParams page.

    Args:
        tree: a configuration as plain values.
        groups: the root keys to show.
        options: group → option, by which parts are called, as in a sweep; those without one by their class.
    """
    flat: dict[str, HParam] = {}
    for group in groups:
        _flatten(group, tree.get(group), flat)
        if (option := options.get(group)) is not None:
            flat[group] = option
    return flat


def _flatten(path: str, value: Any, flat: dict[str, HParam]) -> None:
    if isinstance(value, dict):
        if (target := value.get("_target_")) and path not in _ONE_CLASS:
            flat[path] = str(target).rpartition(".")[2]
        for key, item in value.items():
            if not key.startswith("_"):
                _flatten(f"{path}.{key}", item, flat)
    elif isinstance(value, bool):
        flat[path] = str(value)  # as the rows of trials have it: one column holds both
    elif isinstance(value, int | float | str):
        flat[path] = value
    elif isinstance(value, list):
        flat[path] = str(value).replace(", ", ",")
