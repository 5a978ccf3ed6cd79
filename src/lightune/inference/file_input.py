"""Pictures and sounds, from files or from Python, as the network's preparation takes them."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightune.data.file_lists import files_below
from lightune.data.image_files import IMAGE_SUFFIXES, ImageFormat, read_image, resized
from lightune.data.sound_files import SOUND_SUFFIXES, LogMel, SoundFormat, read_sound
from lightune.inference.table_input import Tally

__all__ = ["FileInput"]

_FILES, _NUMBERS = 256, 2**22  # that are read at a time, at most


class FileInput:
    """Turn files into raw tensors by the schema that is kept with a network.

    Args:
        schema: `kind`, `image` or `audio`, and the format, as a checkpoint holds them.
    """

    counted = "file"

    def __init__(self, schema: Mapping[str, Any]) -> None:
        plain = {key: value for key, value in schema.items() if key != "kind"}
        self._image = ImageFormat.from_plain(plain) if schema["kind"] == "image" else None
        self._sound = SoundFormat.from_plain(plain) if schema["kind"] == "audio" else None
        self._to_mels = None if self._sound is None else LogMel(self._sound)

    def chunks(self, path: Path, tally: Tally, *, skip: bool = False) -> Iterator[tuple[list[str], Tensor]]:
        """Yield the names of files and their raw tensors (n, …), some hundred at a time.

        Args:
            path: a file, or a folder, of which all files below it are taken.
            tally: is added to.
            skip: whether a file that cannot be decoded is left out.

        Raises:
            ValueError: if there is no file, or one cannot be decoded and is not to be left out.
        """
        suffixes = IMAGE_SUFFIXES if self._image is not None else SOUND_SUFFIXES
        files = list(files_below(path, suffixes)) if path.is_dir() else [path]
        if not files:
            raise ValueError(f"{path} has no {'picture' if self._image is not None else 'sound'} in it")
        yield from self.of_files(files, tally, skip=skip)

    def of_files(
        self, files: Sequence[Path], tally: Tally, *, skip: bool = False
    ) -> Iterator[tuple[list[str], Tensor]]:
        """Yield the names of files and their raw tensors (n, …), some hundred at a time.

        Args:
            files: in their order.
            tally: is added to.
            skip: whether a file that cannot be decoded is left out.

        Raises:
            OSError: if one cannot be read and is not to be left out.
            ValueError: if one cannot be decoded and is not to be left out.
        """
        numbers = prod(self._image.shape) if self._image is not None else self._sound.samples  # type: ignore[union-attr]
        at_once = max(1, min(_FILES, _NUMBERS // numbers))
        for first in range(0, len(files), at_once):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what stands beside a picture or a sound in its file
                read = self._read(files[first : first + at_once], tally, skip=skip)
            tally.rows += len(read)
            if read:
                yield list(read), self._stacked(list(read.values()))

    def raw(self, samples: Sequence[Any] | Tensor, tally: Tally) -> Tensor:
        """Return raw tensors (N, …) of what Python holds.

        Args:
            samples: paths of files; or pictures (C, H, W) uint8 of any size, or waveforms (samples,) float32 from
                -1 to 1 at the network's sample rate.
            tally: is added to.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if one is none of these, or a file cannot be decoded.
        """
        if isinstance(samples, str | Path):
            raise ValueError(f"samples must be a list, got {samples}; predict([{str(samples)!r}])")
        tally.rows += len(samples)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what stands beside a picture or a sound in its file
            return self._stacked([self._one(sample) for sample in samples])

    def _one(self, sample: Any) -> Tensor:
        if isinstance(sample, str | Path):
            return self._decoded(Path(sample))
        value = torch.as_tensor(sample)
        if self._image is not None:
            if value.ndim != 3 or value.shape[0] != self._image.channels or value.dtype != torch.uint8:
                rule = f"must be a path, or a picture ({self._image.channels}, H, W) uint8"
                raise ValueError(f"a sample {rule}; got {tuple(value.shape)} {value.dtype}")
            return resized(value, self._image)
        assert self._sound is not None
        if value.shape != (self._sound.samples,):
            rule = f"must be a path, or a waveform ({self._sound.samples},) at {self._sound.sample_rate} Hz"
            raise ValueError(f"a sample {rule}; got {tuple(value.shape)}")
        return value.float()

    def _read(self, files: Sequence[Path], tally: Tally, *, skip: bool) -> dict[str, Tensor]:
        read = {}
        for file in files:
            try:
                read[str(file)] = self._decoded(file)
            except (OSError, ValueError) as error:
                if not skip:
                    raise
                reason = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{file} ")
                tally.unreadable[str(file)] = reason or type(error).__name__
        return read

    def _decoded(self, file: Path) -> Tensor:
        try:
            if self._image is not None:
                return read_image(file, self._image)
            assert self._sound is not None
            return read_sound(file, self._sound)
        except ValueError as error:
            raise ValueError(f"{file} {error}") from error

    def _stacked(self, samples: list[Tensor]) -> Tensor:
        if not samples:
            raise ValueError("there are no samples")
        together = torch.stack(samples)
        return together.float() if self._to_mels is None else self._to_mels(together)
