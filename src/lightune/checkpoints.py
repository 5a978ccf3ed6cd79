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
from lightune.paths import FROM
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.removed_checkpoints import is_removed, reason_removed
from lightune.secrets import redact_all

__all__ = [
    "AVERAGED",
    "DESCRIBED",
    "WholeCheckpointIO",
    "as_measured",
    "batches_taken",
    "is_resumable",
    "load_weights",
    "logged_steps",
    "read_checkpoint",
    "weights_only",
]

DESCRIBED = "lightune"
"""Key of a checkpoint that holds what predictions of new samples need beside the weights; it never changes."""

AVERAGED = "weight_average"
"""Key of a checkpoint that holds an average of weights and how often it was updated."""

_RESUMED_WEIGHTS = "resumed_state_dict"  # where a training goes on with other weights than were measured
_RESUMED_STATE = ("loops", "optimizer_states", "lr_schedulers", _RESUMED_WEIGHTS, AVERAGED)


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

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load a checkpoint to resume from: its weights are those that the training goes on with.

        Args:
            path: of the file.
            map_location: not used; the tensors are on the CPU.
            weights_only: not used; no code that the file may hold is run, whatever is asked for.

        Raises:
            CheckpointError: as `read_checkpoint`.
        """
        content = read_checkpoint(Path(path))
        if _RESUMED_WEIGHTS in content:
            content["state_dict"] = content.pop(_RESUMED_WEIGHTS)
        return content


def as_measured(content: dict[str, Any], weights: dict[str, torch.Tensor] | None) -> dict[str, Any]:
    """Return a checkpoint's content with the weights that were measured; those to resume with stand beside them.

    Args:
        content: as Lightning makes it; changed.
        weights: those that were measured, by name; None for the content's own.
    """
    own = content["state_dict"]
    if weights is not None and not _equal(own, weights):
        content["state_dict"] = weights
        content.setdefault(_RESUMED_WEIGHTS, own)  # it has others where averages are saved in the place of weights
    return content


def weights_only(content: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's content without what a training would resume from."""
    return {key: value for key, value in content.items() if key not in _RESUMED_STATE}


def is_resumable(content: dict[str, Any]) -> bool:
    """Return True if a training can resume from a checkpoint: one that failed may leave its best weights only."""
    return "loops" in content


def batches_taken(content: dict[str, Any]) -> int:
    """Return how many batches a training had taken, >= 0; optimizers may step without being counted."""
    return int(content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"])


def logged_steps(content: dict[str, Any]) -> int:
    """Return how many steps a training had drawn its figures over, >= 0, however its optimizers count."""
    fit_loop = content["loops"]["fit_loop"]
    batches = fit_loop["epoch_loop.batch_progress"]["total"]
    within_a_batch = int(batches["completed"] < batches["ready"])  # its step is counted when it ends
    return int(fit_loop["epoch_loop.state_dict"]["_batches_that_stepped"]) + within_a_batch


def _equal(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    if weights.keys() != others.keys():
        return False
    return all(torch.equal(value, others[name].to(value.device)) for name, value in weights.items())


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
        if is_removed(path):
            again = f"{FROM}=RUN on the command line trains it again"
            raise CheckpointError(f"{path}: was removed, {reason_removed(path)}; {again}")
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
