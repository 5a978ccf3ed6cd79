"""What loggers of tracking services share: one run there for each run here, and no training lost by them."""

import importlib.util
import json
import logging
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.utilities import rank_zero_only

from lightune.errors import reason_of
from lightune.reporting.board import Board, Session
from lightune.runtime.atomic_files import write_whole

log = logging.getLogger(__name__)

_PER_EPOCH = ("epoch",)  # which Lightning adds to every figure


class Tracker(Board):
    """Send a run to a service; where that cannot be reached, a line says so and the run goes on without it.

    The name that the service has for the run is kept in a file beside it, so that a resumed run goes on there, and
    the fits of a run, which have folders below it, are told to belong to it.

    Args:
        save_dir: the run's folder, or the fit's.

    Raises:
        ValueError: if the package of the service is not installed.
    """

    package: ClassVar[str]

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        if importlib.util.find_spec(self.package) is None:
            rule = f"needs the package {self.package}, which is not installed"
            raise ValueError(f"{rule}; install it with: pip install 'lightune[{self.package}]'")
        self._folder = Path(save_dir)
        self._session: Session | None = None
        self._is_open = self._is_lost = False

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self._folder)

    @rank_zero_only
    def start_session(self, session: Session) -> None:
        """Open the run at the service, with its parameters."""
        self._session = session
        self._trying(lambda: None)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Send a point of each curve; the `epoch` that Lightning adds is left out."""
        values = {name: float(value) for name, value in metrics.items() if name not in _PER_EPOCH}
        if values:
            self._trying(lambda: self._send(values, step or 0))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: what a module saved of its arguments is not what a person chose; see `start_session`."""

    @rank_zero_only
    def end_session(self, status: str, final: Mapping[str, float], step: int) -> None:
        """Send the final figures and how the run ended."""
        self.log_metrics(final, step)
        self._trying(lambda: self._end(status))
        self._is_open = False

    @rank_zero_only
    def close(self) -> None:
        """End what was opened and is not ended: the curves of one of several fits."""
        if self._is_open:
            self._trying(lambda: self._end("completed"))
            self._is_open = False

    def _trying(self, act: Callable[[], None]) -> None:
        """Do something at the service, with which the run is opened before."""
        if self._is_lost:
            return
        try:
            if not self._is_open:
                self._open(self._kept(self._folder), self._above())
                self._is_open = True
            act()
        except Exception as error:  # noqa: BLE001 - whatever a service does, the training is not lost by it
            self._is_lost = True
            log.warning(
                "%s: %s; the run goes on without it", self.package, f"{type(error).__name__}: {reason_of(error)}"
            )

    def _title(self) -> str:
        """Return what the run is called in a list of its group: a trial by its number, others by their folder."""
        row = self._session.row if self._session is not None else self._folder.name
        return row.partition(", ")[0] if row.startswith("trial ") else Path(row).name

    def _above(self) -> dict[str, str]:
        """Return what is kept of the run that a fit belongs to; nothing of a run itself."""
        if self._session is not None:
            return {}
        return next((kept for folder in self._folder.parents if (kept := self._kept(folder))), {})

    @property
    def _file(self) -> str:
        return f"{self.package}.json"

    def _kept(self, folder: Path) -> dict[str, str]:
        with suppress(OSError, ValueError, AttributeError):
            content = json.loads((folder / self._file).read_text(encoding="utf-8"))
            return {str(key): str(value) for key, value in content.items()}
        return {}

    def _keep(self, content: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / self._file, json.dumps(content).encode())

    @abstractmethod
    def _open(self, kept: Mapping[str, str], above: Mapping[str, str]) -> None:
        """Open the run at the service.

        Args:
            kept: what `_keep` was given when it was opened before; empty if it was not.
            above: the same of the run that this fit belongs to.
        """

    @abstractmethod
    def _send(self, values: Mapping[str, float], step: int) -> None:
        """Send a point of each curve."""

    @abstractmethod
    def _end(self, status: str) -> None:
        """Say how the run ended."""
