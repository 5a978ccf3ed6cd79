"""The log of a run: what is worth knowing in `train.log`, warnings on the terminal."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from lightune import secrets
from lightune.paths import TRAIN_LOG
from lightune.runtime.plain_text import visible

__all__ = ["Redacting", "train_log"]


@contextmanager
def train_log(run_dir: Path, cfg: DictConfig, *, verbose: bool) -> Iterator[None]:
    """Keep `train.log` in a run's folder meanwhile, and show warnings on the terminal; all of it if verbose.

    Args:
        run_dir: the run's folder; an earlier log is gone on with.
        cfg: the run's configuration; the values of the environment variables that it asks for are not written.
        verbose: whether to log what is of interest to a developer, too.
    """
    root = logging.getLogger()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.DEBUG if verbose else logging.WARNING)
    handlers: list[logging.Handler] = [logging.FileHandler(run_dir / TRAIN_LOG, encoding="utf-8"), terminal]
    level = root.level
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for handler in handlers:
        handler.handleError = lambda record: None  # type: ignore[method-assign]  # the disk may be full
        handler.setFormatter(Redacting(cfg))
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class Redacting(logging.Formatter):
    """Write log lines without control codes, and without the variables that the configuration asks for."""

    def __init__(self, cfg: DictConfig) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = secrets.secret_values(cfg)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return visible(secrets.redact(super().format(record), self._secrets))
