"""Checkpoint files: written whole or not at all, holding plain values, read without running code."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.types import _PATH
from omegaconf import Container, OmegaConf
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lightune.config.secrets import redact_all
from lightune.errors import CheckpointError

__all__ = ["WholeCheckpointIO", "read_checkpoint"]


class WholeCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its target, then move it into place.

    Args:
        secrets: value → name of environment variables whose values are not saved among the hyperparameters.
    """

    def __init__(self, secrets: dict[str, str] | None = None) -> None:
        super().__init__()
        self.secrets = secrets or {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Save a checkpoint so that a reader finds the old file or the new one, never a part.

        Args:
            checkpoint: as Lightning makes it.
            path: the target; its folder is made as needed.
            storage_options: not used.
        """
        for owner in ("", "datamodule_"):
            if f"{owner}hyper_parameters" in checkpoint:
                plain = plain_values(checkpoint[f"{owner}hyper_parameters"])
                checkpoint[f"{owner}hyper_parameters"] = redact_all(plain, self.secrets)
                checkpoint.pop(f"{owner}hparams_type", None)
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def plain_values(value: Any) -> Any:
    """Return a value as dicts, lists, tensors, texts and numbers; what is none of these becomes its text."""
    if isinstance(value, Container):
        return plain_values(OmegaConf.to_container(value, resolve=False))
    if isinstance(value, dict) or (hasattr(value, "items") and callable(value.items)):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain_values(item) for item in value]
    if type(value) in (int, float, bool, str, type(None)) or type(value) is torch.Tensor:
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return str(value)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running any code that it may hold.

    Raises:
        CheckpointError: if there is no such file, it is damaged, or it holds more than plain values.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = (str(error).partition("WeightsUnpickler error:")[2] or str(error)).strip()
        if "Unsupported operand" not in reason:
            raise CheckpointError(f"{path}: holds code or objects, not plain values; it was not loaded") from error
        raise CheckpointError(f"{path}: is damaged ({reason.splitlines()[0]})") from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: is damaged ({reason})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path}: is no checkpoint of a training (it has no state_dict)")
    return checkpoint
