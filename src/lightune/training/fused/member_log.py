"""The logs of a fused group: what is logged while a member acts goes to that member's own `train.log`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from lightune.paths import TRAIN_LOG
from lightune.reporting.train_log import Redacting

__all__ = ["LogRouter", "open_member_log"]


def open_member_log(run_dir: Path, cfg: DictConfig) -> logging.Handler:
    """Open the log of a member, which appends to `train.log` in its folder.

    Args:
        run_dir: the member's folder.
        cfg: its configuration; the values of the environment variables that it asks for are not written.
    """
    handler = logging.FileHandler(run_dir / TRAIN_LOG, encoding="utf-8")
    handler.setFormatter(Redacting(cfg))
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # the disk may be full
    return handler


class LogRouter(logging.Handler):
    """Pass log records on to the log of the member that acts."""

    def __init__(self) -> None:
        super().__init__()
        self._target: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on; drop it if no member acts."""
        if self._target is not None:
            self._target.handle(record)

    @contextmanager
    def to(self, target: logging.Handler) -> Iterator[None]:
        """Pass records on to a member's log meanwhile."""
        self._target = target
        try:
            yield
        finally:
            self._target = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive all log records of this process meanwhile, from INFO up."""
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)
            root.setLevel(level)
