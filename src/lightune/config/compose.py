"""Compose a configuration from Python, as the command line does.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from lightune.paths import conf_dir

__all__ = ["compose"]


def compose(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> DictConfig:
    """Compose the configuration that `python train.py OVERRIDES` would train.

    Args:
        overrides: as on the command line, e.g. `["model=cnn", "optimizer.lr=0.01"]`.
        config_dir: a folder with options of one's own, as `--config-dir` takes it.

    Raises:
        hydra.errors.HydraException: if an option or key does not exist.
    """
    extra = [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]
    with _own_hydra(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        return hydra_compose("train", overrides=[*extra, *overrides])


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Step out of a Hydra application that may be running, and back into it afterwards."""
    holder = GlobalHydra.instance()
    outer, holder.hydra = holder.hydra, None
    try:
        yield
    finally:
        holder.hydra = outer
