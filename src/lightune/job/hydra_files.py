"""Keep values of environment variables out of the files that Hydra keeps in a run's folder.

Hydra saves all as it was written, except two places of `hydra.yaml` that it resolves first: the environment
settings and the folder. Where these hold a value from the environment, Hydra is told to save nothing (`withhold`),
and the task writes the same files itself, with the two places as they were written (`write`). Only where the
preflight was removed has Hydra written them already, and the file is replaced (`conceal`).

This module must not import torch or Lightning.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightune.runtime.atomic_files import write_whole, written_together
from lightune.secrets import redact, secret_values

__all__ = ["Withheld", "conceal", "restore_multirun", "withhold", "write"]

_NOTHING_SAVED = "hydra.output_subdir=null"  # what every job of a multirun is composed with


@dataclass(frozen=True)
class Withheld:
    """What Hydra does not save, so that the task does.

    Args:
        subdir: folder for Hydra's files, below the run's.
        env_set: `hydra.job.env_set` as it was written.
    """

    subdir: str
    env_set: dict[str, Any]


def withhold(config: DictConfig, cfg: DictConfig, *, multirun: bool) -> Withheld | None:
    """Keep Hydra from saving its files if they would hold a value from the environment.

    Args:
        config: as composed, with Hydra's own node; changed in place.
        cfg: the same without it.
        multirun: whether jobs are composed of it.

    Returns:
        What the task is to save; None if Hydra may save its files, or was told not to.
    """
    env_set = OmegaConf.to_container(config.hydra.job.env_set, resolve=False)
    subdir = config.hydra.output_subdir
    if subdir is None or not (env_set or secret_values(cfg)):
        return None
    assert isinstance(env_set, dict)
    with read_write(config.hydra), open_dict(config.hydra):
        if multirun:
            config.hydra.overrides.hydra.append(_NOTHING_SAVED)
        else:
            config.hydra.output_subdir = None
    return Withheld(str(subdir), {str(key): value for key, value in env_set.items()})


def restore_multirun(config: DictConfig) -> None:
    """Take back at the end of a multirun what `withhold` added, in its configuration and in `multirun.yaml`."""
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.overrides.hydra = _without_ours(config.hydra.overrides.hydra)
    file = Path(str(config.hydra.sweep.dir)) / "multirun.yaml"
    if file.is_file():
        write_whole(file, OmegaConf.to_yaml(config).encode())


def write(run_dir: Path, cfg: DictConfig, withheld: Withheld) -> None:
    """Write the files of the job under way that Hydra was kept from writing, each whole.

    Args:
        run_dir: the job's folder.
        cfg: its configuration without Hydra's own node.
        withheld: as `withhold` returned it.
    """
    active: Any = HydraConfig.instance().cfg
    assert active is not None
    with read_write(active.hydra), open_dict(active.hydra):  # as interpolations of the task see it
        active.hydra.output_subdir = withheld.subdir
        active.hydra.overrides.hydra = _without_ours(active.hydra.overrides.hydra)
    saved = copy.deepcopy(active)
    with read_write(saved.hydra), open_dict(saved.hydra):
        saved.hydra.job.env_set = withheld.env_set
        saved.hydra.runtime.output_dir = redact(saved.hydra.runtime.output_dir, secret_values(cfg))
    texts = {"config.yaml": cfg, "hydra.yaml": saved, "overrides.yaml": active.hydra.overrides.task}
    with written_together():
        for name, content in texts.items():
            write_whole(run_dir / withheld.subdir / name, OmegaConf.to_yaml(content).encode())


def conceal(folder: Path, cfg: DictConfig) -> None:
    """Replace the `hydra.yaml` that Hydra wrote; no value of its environment settings is kept.

    Args:
        folder: where Hydra wrote its files.
        cfg: the run's configuration, which names the variables.
    """
    file = folder / "hydra.yaml"
    secrets = secret_values(cfg)
    if not file.is_file() or not (HydraConfig.get().job.env_set or secrets):
        return
    content = OmegaConf.load(file)
    job, runtime = content.hydra.job, content.hydra.runtime
    job.env_set = dict.fromkeys(job.env_set, "???")
    runtime.output_dir = redact(runtime.output_dir, secrets)
    write_whole(file, OmegaConf.to_yaml(content).encode())


def _without_ours(lines: Any) -> list[Any]:
    written = OmegaConf.to_container(lines, resolve=False)  # a line may look like an interpolation
    assert isinstance(written, list)
    return [line for line in written if line != _NOTHING_SAVED]
