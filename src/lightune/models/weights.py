"""Weights that others have trained: where they lie, and how they are read without running any code."""

import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["digest_of", "load_into", "make_undrawn", "read_weights", "torchvision_file"]

_DIGEST_SIZE = 16
_COUNT = "num_batches_tracked"  # of a BatchNorm, which early versions of torch did not keep
_LISTED = 3  # names in a message


def torchvision_file(name: str, weights: str) -> Path:
    """Return the file of weights that torchvision knows by name; it is downloaded where it is not there.

    Args:
        name: of the network, e.g. `vgg16`.
        weights: `DEFAULT`, or a name such as `IMAGENET1K_V1`.

    Raises:
        ValueError: if there are no such weights, or they cannot be downloaded: which file to put where.
    """
    from torchvision.models import get_model_weights

    known = get_model_weights(name)
    if weights not in known.__members__:
        names = ", ".join(["DEFAULT", *(each.name for each in known)])
        raise ValueError(f"weights must be null, {names} or a file, got {weights}: there is no such file")
    url = str(known[weights].url)
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(file), hash_prefix=_hash_in(file.name), progress=False)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split())
            rule = f"weights={weights} of {name} could not be downloaded ({reason})"
            raise ValueError(f"{rule}; put {file.name} into {file.parent}, or name a file of weights") from error
    return file


def _hash_in(name: str) -> str | None:
    """Return the beginning of the SHA-256 that the names of torchvision's files end with."""
    ending = Path(name).stem.rpartition("-")[2]
    return ending if len(ending) >= 8 and set(ending) <= set("0123456789abcdef") else None


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read tensors by name from a file of `torch.save` or safetensors, without running code that it may hold.

    The file last read is kept in memory, shared by those who ask for it again: who trains on changes a copy.

    Raises:
        ValueError: if it is no such file, or damaged.
    """
    known = file.stat()
    return _read(file.absolute(), known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=1)
def _read(file: Path, size: int, changed: int) -> dict[str, Tensor]:
    content: Any
    try:
        if file.suffix == ".safetensors":
            content = _of_safetensors(file)
        else:
            with warnings.catch_warnings():  # of a protocol that torch itself does not write
                warnings.simplefilter("ignore", UserWarning)
                content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file} is damaged, or holds more than tensors; it was not loaded") from error
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} cannot be read as weights ({reason})") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(each, Tensor) for each in content.values()):
        raise ValueError(f"{file} holds no tensors by name")
    return dict(content)


def _of_safetensors(file: Path) -> Any:
    try:
        from safetensors.torch import load_file  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ValueError("safetensors is not installed: pip install safetensors") from error
    return load_file(file)


def make_undrawn(make: Callable[[], nn.Module]) -> nn.Module:
    """Make a network whose weights are to be replaced, without drawing any; they hold anything meanwhile.

    A network with buffers that no file of weights holds is made in full, since it computes these itself.
    """
    with torch.device("meta"):
        network = make()
    known = network.state_dict()
    if any(name not in known for name, _ in network.named_buffers()):
        return make()
    return network.to_empty(device="cpu")


def load_into(
    body: nn.Module, weights: Mapping[str, Tensor], file: Path, *, left_out: tuple[str, ...], shared: bool
) -> None:
    """Put weights into a network by their names.

    Args:
        body: the network, without its last layers.
        weights: by name; those of the last layers are not used.
        file: where they are from, for messages.
        left_out: what the names of layers begin with that the network has not.
        shared: whether the tensors become the network's own; else they are copied.

    Raises:
        ValueError: if a name is missing or unknown, or a shape differs; nothing is matched by order.
    """
    own = body.state_dict()
    given = {name: value for name, value in weights.items() if name in own or not name.startswith(left_out)}
    wrong = [
        *(f"{name} is missing" for name in own if name not in given and not name.endswith(_COUNT)),
        *(f"{name} is unknown" for name in given if name not in own),
        *(
            f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
            for name, value in own.items()
            if name in given and given[name].shape != value.shape
        ),
    ]
    if wrong:
        more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        raise ValueError(f"{file} holds weights of another network: {', '.join(wrong[:_LISTED])}{more}")
    body.load_state_dict(given, strict=False, assign=shared)
    for name, buffer in body.named_buffers():
        if name.endswith(_COUNT) and name not in given:
            buffer.zero_()


def digest_of(body: nn.Module) -> Tensor:
    """Return a digest (16,) uint8 of all weights and buffers of a network, names included."""
    digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
    for name, value in sorted(body.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8).clone()
