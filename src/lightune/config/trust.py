"""Which code a configuration may name. YAML chooses among trusted parts; it never widens the trust.

This module must not import torch or Lightning.
"""

import os

__all__ = ["is_trusted", "trust", "whitelist"]

BUILT_IN = (
    "lightune.callbacks.*",
    "lightune.data.*",
    "lightune.losses.*",
    "lightune.metrics.*",
    "lightune.models.*",
    "lightune.optim.*",
    "lightune.regularization.*",
    "lightune.tasks.*",
    "lightune.validation.*",
    "lightune.reporting.csv_logger.ResumableCSVLogger",
    "lightune.reporting.tensorboard.TensorBoard",
    "lightune.cli.preflight.Preflight",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.trainer.trainer.Trainer",
    "pytorch_lightning.callbacks.*",
    "pytorch_lightning.loggers.*",
    "torch.nn.*",
    "torch.optim.*",
    "hydra_plugins.*",
    "optuna.samplers.*",
    "optuna.pruners.*",
)
ENVIRONMENT_VARIABLE = "LIGHTUNE_TRUST"

_added: list[str] = []


def trust(*packages: str) -> None:
    """Let configurations name the code of these packages, from now on in this process.

    Args:
        packages: dotted names such as `my_package`; everything below them is trusted.

    Raises:
        ValueError: if a name is no dotted name.
    """
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ValueError(f"trust takes dotted names of packages, got {package!r}")
        _added.append(package)


def trusted() -> tuple[str, ...]:
    """Return the packages that `trust` was given in this process."""
    return tuple(_added)


def whitelist() -> tuple[str, ...]:
    """Return the entries for Hydra's execution whitelist: ours, those of `trust`, those of LIGHTUNE_TRUST."""
    named = [part.strip() for part in os.environ.get(ENVIRONMENT_VARIABLE, "").split(",")]
    own = [name for name in (*_added, *named) if name]
    return (*BUILT_IN, *(entry for name in own for entry in (name, f"{name}.*")))


def is_trusted(path: str) -> bool:
    """Tell whether a dotted path matches an entry; `package.*` matches all that lies below the package."""
    return any(path.startswith(entry[:-1]) if entry.endswith(".*") else path == entry for entry in whitelist())
