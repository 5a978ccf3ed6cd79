"""What `--version` says. This module must not import torch or Lightning."""

from importlib.metadata import version as version_of

__all__ = ["version"]

_BESIDE = {"Hydra": "hydra-core", "PyTorch Lightning": "pytorch-lightning", "PyTorch": "torch", "Optuna": "optuna"}


def version() -> str:
    """Return the version of lightune, and those of what it joins, in one line."""
    beside = ", ".join(f"{name} {version_of(package)}" for name, package in _BESIDE.items())
    return f"lightune {version_of('lightune')} ({beside})"
