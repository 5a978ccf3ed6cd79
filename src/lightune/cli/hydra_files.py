"""Keep values of environment variables out of the files that Hydra writes into a run's folder.

This module must not import torch or Lightning.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.config.secrets import redact, secret_values

__all__ = ["conceal"]


def conceal(run_dir: Path, cfg: DictConfig, env_set: Any) -> None:
    """Rewrite `.hydra/*.yaml`, where Hydra resolved what should have stayed an expression.

    Args:
        run_dir: the run's folder.
        cfg: the run's configuration, which names the variables.
        env_set: `hydra.job.env_set` as it was written; None if it is not known.
    """
    secrets = secret_values(OmegaConf.create({"cfg": OmegaConf.to_container(cfg), "env_set": env_set}))
    for file in sorted((run_dir / ".hydra").glob("*.yaml")):
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        changed = _map_texts(content, lambda text: redact(text, secrets))
        if isinstance(changed, dict) and env_set and "hydra" in changed:
            changed["hydra"]["job"]["env_set"] = env_set
        if changed != content:
            OmegaConf.save(OmegaConf.create(changed), file)


def _map_texts(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value
