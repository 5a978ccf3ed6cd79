"""How the lines of `train.log` are written."""

import logging

from omegaconf import DictConfig

from lightune.config import secrets

__all__ = ["Redacting"]


class Redacting(logging.Formatter):
    """Write log lines without the values of environment variables that the configuration asks for."""

    def __init__(self, cfg: DictConfig) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = secrets.secret_values(cfg)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return secrets.redact(super().format(record), self._secrets)
