"""What a frozen body gives for all samples: computed once, kept in memory and on disk, and served as data."""

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lightune.data.augmented import Variation
from lightune.data.decoded_cache import LARGEST
from lightune.models.weights import digest_of
from lightune.runtime.atomic_files import whole_file
from lightune.runtime.bounded_folder import make_room

__all__ = ["FrozenFeatures", "store"]

_AT_ONCE = 128  # samples
_IN_MEMORY = 4  # sets of features: of this run and of the one before, plain and augmented
_SUFFIX = ".npy"
_log = logging.getLogger(__name__)
_recent: OrderedDict[Path, Tensor] = OrderedDict()


@dataclass(frozen=True)
class FrozenFeatures:
    """Compute features of samples, or find them where they were computed before.

    Args:
        body: maps inputs (B, …) float32 to features (B, F); in evaluation form.
        body_digest: of its weights, and of all that its features depend on beside samples.
        device: where they are computed.
        folder: where they are kept; None keeps them in memory only.
    """

    body: Callable[[Tensor], Tensor]
    body_digest: bytes
    device: torch.device
    folder: Path | None

    def file_for(self, fingerprint: str, preparation: nn.Module) -> Path:
        """Return where the features of samples are kept, or would be.

        Args:
            fingerprint: of the samples as they were read.
            preparation: what maps them to inputs.
        """
        digest = hashlib.blake2b(f"{fingerprint} {type(preparation).__name__}".encode(), digest_size=16)
        digest.update(digest_of(preparation).numpy().data)
        digest.update(self.body_digest)
        return (self.folder or Path()) / f"{digest.hexdigest()}{_SUFFIX}"

    def of(self, raw: Tensor, file: Path, preparation: nn.Module, dtype: torch.dtype) -> Tensor:
        """Return features (N, F) float32 of all samples.

        Args:
            raw: (N, …) as they were read.
            file: what `file_for` returned for them.
            preparation: maps them to inputs.
            dtype: in which it is given them.
        """
        return self._found_or(file, len(raw), lambda: self._compute(raw, preparation, dtype))

    def file_of_views(self, plain: Path, variation: Variation, rows: Tensor, views: int) -> Path:
        """Return where the features of augmented views are kept, or would be.

        Args:
            plain: what `file_for` returned for the samples.
            variation: how they are varied.
            rows: (n,) int64, places of the training part among the samples.
            views: how many, > 0.
        """
        about = f"{plain.stem} {variation.augmentation.strengths} {variation.values} {variation.seed} {views}"
        digest = hashlib.blake2b(about.encode(), digest_size=16)
        digest.update(rows.numpy().data)
        return plain.with_name(f"{digest.hexdigest()}{_SUFFIX}")

    def of_views(self, raw: Tensor, file: Path, variation: Variation, rows: Tensor, views: int) -> Tensor:
        """Return features (views * n, F) float32 of augmented training samples: those of epochs 0, 1, ….

        Args:
            raw: (N, …) all samples as they were read.
            file: what `file_of_views` returned.
            variation: how they are varied.
            rows: (n,) int64, places of the training part among them.
            views: how many, > 0.
        """
        numbers = torch.arange(len(rows))

        def compute() -> Tensor:
            with torch.no_grad():
                return torch.cat(
                    [
                        self.body(variation(raw[rows[some]], some, epoch).to(self.device)).float().cpu()
                        for epoch in range(views)
                        for some in torch.split(numbers, _AT_ONCE)
                    ]
                )

        return self._found_or(file, views * len(rows), compute)

    def _found_or(self, file: Path, count: int, compute: Callable[[], Tensor]) -> Tensor:
        """Return what is in memory or on disk, else what is computed."""
        found = _recent.get(file)
        if found is None and self.folder is not None:
            found = _read(file, count)
        if found is None:
            found = compute()
        _recent[file] = found
        _recent.move_to_end(file)
        while len(_recent) > _IN_MEMORY:
            _recent.popitem(last=False)
        return found

    def _compute(self, raw: Tensor, preparation: nn.Module, dtype: torch.dtype) -> Tensor:
        with torch.no_grad():
            parts = [
                self.body(preparation(some.to(dtype)).to(self.device)).float().cpu()
                for some in torch.split(raw, _AT_ONCE)
            ]
        return torch.cat(parts)


def store(file: Path, features: Tensor) -> None:
    """Write features where the next run finds them, unless they are there; a disk that takes nothing is told."""
    if file.exists() or features.nbytes > LARGEST or file.parent.is_symlink():
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file, binary=True) as opened:
            np.lib.format.write_array(opened, features.numpy(), allow_pickle=False)
        make_room(file.parent, LARGEST, file)
    except OSError as error:
        _log.warning("features are not kept in %s: %s", file.parent, error.strerror or error)


def _read(file: Path, count: int) -> Tensor | None:
    if file.parent.is_symlink():
        return None
    try:
        found = np.load(file, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if found.ndim != 2 or len(found) != count or found.dtype != np.float32:
        return None
    with suppress(OSError):
        os.utime(file)
    return torch.from_numpy(found)
