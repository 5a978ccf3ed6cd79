"""Checkpoint files: written whole or not at all, holding plain values, read without running code."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import Container, OmegaConf
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from lightune.errors import CheckpointError
from lightune.runtime.atomic_files import write_whole
from lightune.secrets import redact_all

__all__ = ["WholeCheckpointIO", "load_weights", "read_checkpoint"]


class WholeCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its target, then move it into place.

    Args:
        secrets: value → name of environment variables whose values are not saved among the hyperparameters.
    """

    def __init__(self, secrets: dict[str, str] | None = None) -> None:
        super().__init__()
        self.secrets = secrets or {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Save a checkpoint so that a reader finds the old file or the new one, never a part.

        Args:
            checkpoint: as Lightning makes it.
            path: the target; its folder is made as needed.
            storage_options: not used.
        """
        checkpoint["callbacks"] = _without_numpy(checkpoint.get("callbacks", {}))
        for owner in ("", "datamodule_"):
            if f"{owner}hyper_parameters" in checkpoint:
                plain = plain_values(checkpoint[f"{owner}hyper_parameters"])
                checkpoint[f"{owner}hyper_parameters"] = redact_all(plain, self.secrets)
                checkpoint.pop(f"{owner}hparams_type", None)
        target = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getbuffer()
        # the new digest joins the old one first, so that whichever file a crash leaves has its digest beside it
        write_whole(digest_file(target), "\n".join([_digest(content), *_digests(target)[:1]]).encode())
        write_whole(target, content)


def digest_file(path: Path) -> Path:
    """Return where the digest of a checkpoint lies: beside it."""
    return path.with_name(f"{path.name}.sha256")


def _digest(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()


def _digests(path: Path) -> list[str]:
    try:
        return digest_file(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _without_numpy(value: Any) -> Any:
    """Return nested values with NumPy's numbers, which a safe reader refuses, as Python's."""
    if isinstance(value, dict):
        return {key: _without_numpy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_without_numpy(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


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
    digests = _digests(path)
    if digests and _digest(path.read_bytes()) not in digests:
        raise CheckpointError(f"{path}: is damaged (its content is not what was written: the checksum differs)")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = (str(error).partition("WeightsUnpickler error:")[2] or str(error)).strip()
        if "Unsupported operand" not in reason:
            raise CheckpointError(f"{path}: holds code or objects, not plain values; it was not loaded") from error
        kind = "is damaged" if digests else "is damaged, or no checkpoint"
        raise CheckpointError(f"{path}: {kind} ({reason.splitlines()[0]})") from error
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


def load_weights(module: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into a network.

    Raises:
        CheckpointError: if they are another network's; the message names the first that does not fit.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).splitlines()[1].split()) if "\n" in str(error) else str(error)
        raise CheckpointError(f"{path}: does not fit the network of the configuration ({reason})") from error
