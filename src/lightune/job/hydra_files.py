"""Keep values of environment variables out of the files that Hydra writes into a run's folder.

This module must not import torch or Lightning.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.secrets import redact, secret_values

__all__ = ["conceal"]


def conceal(folder: Path, cfg: DictConfig, env_set: dict[str, Any] | None, *, sets_nothing: bool = False) -> None:
    """Rewrite the two places of `hydra.yaml` where Hydra resolved what should have stayed an expression.

    Whatever else Hydra saves, it saves as it was written.

    Args:
        folder: where Hydra wrote its files.
        cfg: the run's configuration, which names the variables.
        env_set: `hydra.job.env_set` as it was written; None if it is not known, and then no value is kept.
        sets_nothing: whether it is known to be empty.
    """
    file = folder / "hydra.yaml"
    if not file.is_file() or (sets_nothing and not secret_values(cfg)):
        return
    content = OmegaConf.load(file)
    job, runtime = content.hydra.job, content.hydra.runtime
    job.env_set = dict.fromkeys(job.env_set, "???") if env_set is None else env_set
    runtime.output_dir = redact(runtime.output_dir, secret_values(cfg))
    OmegaConf.save(content, file)
