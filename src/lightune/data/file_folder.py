"""Folders of pictures and of sounds: every file is decoded once, before training, and lies ready as a tensor."""

import os
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile
from torch import Tensor

from lightune.data.class_names import PosLabel, require_no_positive, with_positive_last
from lightune.data.decoded_cache import DecodedCache
from lightune.data.decoded_rows import (
    DecodedRows,
    FileRows,
    MemoryRows,
    NoRoomError,
    gathered,
    scratch_folder,
    told_if_full,
)
from lightune.data.file_lists import FileList, files_below, list_files
from lightune.data.group_column import numbered
from lightune.data.image_files import IMAGE_SUFFIXES, ImageFormat, Resize, read_image, read_pixels
from lightune.data.memory import BatchSize, InMemoryData
from lightune.data.placement import Placement, place
from lightune.data.row_digests import Duplicates, handle_copies
from lightune.data.samples import Samples
from lightune.data.scaling import ImageScaling, Scaling
from lightune.data.sound_files import SOUND_SUFFIXES, Crop, LogMel, SoundFormat, read_sound
from lightune.errors import ConfigError, Problem
from lightune.ranges import NonNegativeInt, PositiveFloat, PositiveInt
from lightune.wording import counted

__all__ = ["AudioFolder", "AudioRegression", "ImageFolder", "ImageRegression", "OnUnreadable"]

OnUnreadable = Literal["refuse", "skip"]

_SHOWN = 5
_SAMPLE_LABELS = "labels.csv"
_TURNED = 45  # degrees, that a picture of the sample is turned by at most, either way
_BYTES_AT_ONCE = 2**24  # of decoded files


class FileFolder(InMemoryData):
    """Base of data that are files in a folder: a subclass says how one is decoded.

    Args:
        path: the folder; None for the sample that comes with lightune.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`; None for a folder a
            class, or a folder a value that is its name.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with files that have equal content, as of `CSV`.
        cache: whether what was decoded is kept below the output root.
        output_root: the folder; None to keep nothing.
        served: arguments of `InMemoryData`.
    """

    suffixes: frozenset[str]
    instead: str  # the option of data for targets of the other kind
    pattern: str | None = None
    pos_label: PosLabel = None
    decoded_dtype = torch.float32  # of decoded files

    def __init__(
        self,
        path: str | None,
        classes: list[str] | None,
        labels: str | None,
        on_unreadable: OnUnreadable,
        duplicates: Duplicates,
        cache: bool,
        output_root: str | None,
        **served: Any,
    ) -> None:
        super().__init__(**served)
        self._home = None if output_root is None else Path(output_root) / "cache"
        self._cache = DecodedCache(self._home) if cache and self._home is not None else None
        self.path, self.classes, self.labels = path, classes, labels
        self.on_unreadable, self.duplicates = on_unreadable, duplicates

    @abstractmethod
    def read_files(self, paths: Sequence[Path]) -> tuple[Tensor, dict[int, str]]:
        """Decode files; return all of them (N, …), and place → why it cannot be decoded."""

    @property
    def decoded_together(self) -> int:
        """How many files are decoded at a time, or a multiple of it, > 0."""
        return 16

    @property
    @abstractmethod
    def decoded_shape(self) -> tuple[int, ...]:
        """Shape of a decoded file."""

    @abstractmethod
    def read_original(self, path: Path) -> Tensor:
        """Decode a file; return what is in it before it is brought to the form of all."""

    @abstractmethod
    def schema_of_files(self) -> Mapping[str, Any]:
        """Return what another file is decoded by, as texts and numbers."""

    @abstractmethod
    def unpack_sample(self, folder: Path) -> None:
        """Write the files of the sample that comes with lightune into a folder, and their values as a manifest."""

    def load(self) -> Samples:
        """Decode every file.

        Raises:
            ConfigError: if there are no files or no classes, or a file cannot be decoded.
        """
        with self._root() as root:
            return self._load(root)

    def originals(self, count: int) -> list[Tensor]:
        """Decode some files, evenly spaced among all, as far as they can be; return what is in each.

        Args:
            count: how many at most, > 0.

        Raises:
            ConfigError: if there are no files or no classes.
        """
        read = []
        with self._root() as root, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when all are read
            listed = self._list(root).files
            for place in np.unique(np.linspace(0, len(listed) - 1, count).round().astype(int)):
                with suppress(OSError, ValueError):
                    read.append(self.read_original(listed[place].path))
        return read

    @contextmanager
    def _root(self) -> Iterator[Path]:
        if self.path is not None:
            yield Path(self.path).expanduser()
            return
        with tempfile.TemporaryDirectory() as folder:
            self.unpack_sample(Path(folder))
            yield Path(folder)

    def _list(self, root: Path) -> FileList:
        values = self.problem == "regression"
        labels = None if self.labels is None else Path(self.labels).expanduser()
        if self.path is None and labels is None and values:
            labels = root / _SAMPLE_LABELS
        found = list_files(
            root,
            self.suffixes,
            classes=self.classes,
            labels=labels,
            pattern=self.pattern,
            values=values,
            instead=self.instead,
        )
        if not values:
            return replace(found, classes=tuple(with_positive_last(found.classes, self.pos_label)))
        require_no_positive(self.pos_label)
        if len({file.value for file in found.files}) == 1:
            key = "data.path" if labels is None else "data.labels"
            raise ConfigError([Problem(key, f"has one value only, {found.files[0].label}")])
        return found

    def _load(self, root: Path) -> Samples:
        found = self._list(root)
        paths = [file.path for file in found.files]
        in_file = self._lies_in_file(len(paths))
        try:
            inputs, unreadable = self._decode(paths, in_file=in_file)
            report = list(found.report)
            if unreadable:
                report.append(self._left_out(found, unreadable))
                found = found.only([place for place in range(len(paths)) if place not in unreadable])
            number = {name: place for place, name in enumerate(found.classes)}
            keep, copies, remarks = handle_copies(
                inputs,
                self.duplicates,
                counted="file",
                labels=np.array([number[file.label] for file in found.files]) if number else None,
                called=lambda place: f"{self._called(found.files[place].path)} ({found.files[place].label})",
            )
            report += remarks
            if len(keep) < len(found.files):
                inputs = gathered(inputs, torch.from_numpy(keep), self._room(len(keep), in_file=in_file))
                found = found.only(keep.tolist())
        except NoRoomError as error:
            size = f"{len(paths):,} decoded files of {self._bytes_of_one:,} bytes"
            rule = f"puts {size} into a file in {self._scratch}, which cannot be written ({error})"
            advice = "make room there, or choose another output_root"
            raise ConfigError([Problem("data.placement", f"stream {rule}; {advice}")]) from error
        return self._samples_of(found, inputs, copies, report, in_file=in_file)

    def _left_out(self, found: FileList, unreadable: Mapping[int, str]) -> tuple[str, str]:
        """Return a remark on files that cannot be decoded.

        Raises:
            ConfigError: if they are not to be left out, or no other is there.
        """
        whole = len(unreadable) == len(found.files)
        shown = [f"{found.files[place].path}: {why}" for place, why in list(unreadable.items())[:_SHOWN]]
        more = f"; and {len(unreadable) - _SHOWN:,} more" if len(unreadable) > _SHOWN else ""
        if self.on_unreadable == "refuse" or whole:
            count = counted(len(unreadable), "file")
            advice = "" if whole else "; mend or remove them, or leave them out by data.on_unreadable=skip"
            text = f"{count} cannot be read ({'; '.join(shown)}{more}){advice}"
            raise ConfigError([Problem("data.path", text)])
        return "unreadable", f"{len(unreadable):,} of these files left out: {'; '.join(shown)}{more}"

    def _called(self, path: Path) -> Path:
        """Return the path that a person knows a file by: those of the sample are gone once they are read."""
        return Path(*path.parts[-2:]) if self.path is None else path

    @property
    def _bytes_of_one(self) -> int:
        return prod(self.decoded_shape) * self.decoded_dtype.itemsize

    @property
    def _scratch(self) -> Path:
        return scratch_folder(self._home)

    def _lies_in_file(self, count: int) -> bool:
        """Whether decoded files lie in a file, not in memory: where they are streamed."""
        scaled = count * prod(self.decoded_shape) * torch.float32.itemsize
        return place(self.placement, scaled, torch.device("cpu"))[0] == "stream"

    def _room(self, count: int, *, in_file: bool) -> DecodedRows:
        how = count, self.decoded_shape, self.decoded_dtype
        if not in_file:
            return MemoryRows(*how)
        with told_if_full():
            return FileRows(self._scratch, *how)

    def _decode(self, paths: Sequence[Path], *, in_file: bool) -> tuple[Tensor, dict[int, str]]:
        """Return what files are decoded to (N, …), and place → why one cannot be, which has no sample.

        Files that were all decoded before are not decoded again.
        """
        cache = None if self.path is None else self._cache
        form = self.schema_of_files()
        if cache is not None:
            with suppress(OSError):  # a file that cannot be read is told when it is decoded
                kept = cache.find(paths, form, in_file=in_file)
                if kept is not None:
                    return kept, {}
        rows = self._room(len(paths), in_file=in_file)
        unreadable = self._read_into(rows, paths)
        with told_if_full():
            inputs = rows.tensor()
        if cache is not None and not unreadable:
            cache.keep(paths, form, inputs, rows if isinstance(rows, FileRows) else None)
        return inputs, unreadable

    def _read_into(self, rows: DecodedRows, paths: Sequence[Path]) -> dict[int, str]:
        """Decode files, some at a time; return place → why one cannot be decoded."""
        together = self.decoded_together
        at_once = max(1, _BYTES_AT_ONCE // (self._bytes_of_one * together)) * together
        unreadable: dict[int, str] = {}
        for first in range(0, len(paths), at_once):
            part, bad = self.read_files(paths[first : first + at_once])
            if bad:
                part = part[[place for place in range(len(part)) if place not in bad]]
                unreadable.update({first + place: why for place, why in bad.items()})
            with told_if_full():
                rows.add(part)
        return unreadable

    def settled(self) -> None:
        """Write what was decoded, where it is to be kept."""
        if self._cache is not None:
            self._cache.store()

    def _fill(self, tensors: Tensor, read: Callable[[int], Tensor]) -> dict[int, str]:
        """Read each place of a tensor in threads; return place → why it cannot be read."""

        def fill(place: int) -> str:
            try:
                tensors[place] = read(place)
            except (OSError, ValueError) as error:
                return _reason(error)
            return ""

        threads = max(1, min(self.num_workers or 1, os.cpu_count() or 1))
        with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
            warnings.simplefilter("ignore")  # of what stands beside a picture or a sound in its file
            told = pool.map(fill, range(len(tensors)), chunksize=16)
            return {place: why for place, why in enumerate(told) if why}

    def _samples_of(
        self, found: FileList, inputs: Tensor, copies: Any, report: list[tuple[str, str]], *, in_file: bool
    ) -> Samples:
        groups = [file.group for file in found.files]
        if found.classes:
            number = {name: place for place, name in enumerate(found.classes)}
            targets = torch.tensor([number[file.label] for file in found.files])
            schema: dict[str, Any] = {"classes": list(found.classes), "target": "class"}
        else:
            targets = torch.tensor([[file.value] for file in found.files], dtype=torch.float64)
            schema = {"target": "target"}
        return Samples(
            inputs,
            targets,
            num_classes=len(found.classes),
            official_test=found.count("test"),
            official_val=found.count("val"),
            groups={"group": numbered(groups)} if any(groups) else {},
            copies=copies,
            schema={**schema, "files": dict(self.schema_of_files())},
            report=report,
            files=[str(self._called(file.path)) for file in found.files],
            in_file=in_file,
        )


class ImageFolder(FileFolder):
    """Pictures in a folder a class, decoded and brought to one size.

    Args:
        path: the folder, with a folder a class, or with `train`, `val` and `test` of such; None for the sample
            that comes with lightune, scikit-learn's handwritten digits.
        image_size: height and width in pixels, > 0.
        resize: `squash` stretches a picture, `crop` cuts off what is too long, `pad` puts black beside it.
        channels: 1 for grey, 3 for colour.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with equal pictures: `together` keeps them on one side of each split, `drop` keeps
            the first, `keep` divides them like others.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how pixels are scaled, with statistics of the training part only, per channel.
        placement: where samples lie, as of `InMemoryData`.
        num_workers: processes that prepare batches of a stream, and threads that decode files, >= 0.
        cache: whether what was decoded is kept below the output root, for the next start of the same data.
        output_root: the folder; None to keep nothing.
        target_scaling: how the values of regression are scaled; losses see scaled ones, metrics the real ones.
        pos_label: of two classes the positive one, as of `CSV`.
    """

    kind = "image"
    suffixes = IMAGE_SUFFIXES
    instead = "image_regression"
    decoded_dtype = torch.uint8

    def __init__(
        self,
        path: str | None = None,
        image_size: PositiveInt = 64,
        resize: Resize = "squash",
        channels: Literal[1, 3] = 3,
        classes: list[str] | None = None,
        labels: str | None = None,
        on_unreadable: OnUnreadable = "refuse",
        duplicates: Duplicates = "together",
        batch_size: BatchSize = 64,
        scaling: ImageScaling = "standard",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
        cache: bool = True,
        output_root: str | None = None,
        target_scaling: Scaling = "standard",
        pos_label: PosLabel = None,
    ) -> None:
        served = {"batch_size": batch_size, "scaling": scaling, "placement": placement, "num_workers": num_workers}
        served["target_scaling"] = target_scaling
        super().__init__(path, classes, labels, on_unreadable, duplicates, cache, output_root, **served)
        self.pos_label = pos_label
        self.format = ImageFormat(image_size, resize, channels)

    def read_files(self, paths: Sequence[Path]) -> tuple[Tensor, dict[int, str]]:
        """Decode pictures (N, C, H, W) uint8; return them, and place → why one cannot be decoded."""
        images = torch.zeros((len(paths), *self.format.shape), dtype=torch.uint8)
        return images, self._fill(images, lambda place: read_image(paths[place], self.format))

    @property
    def decoded_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of a decoded picture."""
        return self.format.shape

    def read_original(self, path: Path) -> Tensor:
        """Decode a picture (C, H, W) uint8 in its own size."""
        return read_pixels(path, self.format.channels)

    def schema_of_files(self) -> Mapping[str, Any]:
        """Return what another picture is decoded by."""
        return {"kind": "image", **self.format.plain()}

    def unpack_sample(self, folder: Path) -> None:
        """Write scikit-learn's digits as PNG files, a folder a class."""
        for number, (image, label) in enumerate(_digits()):
            home = folder / str(label)
            home.mkdir(exist_ok=True)
            image.save(home / f"{number:04}.png")


class ImageRegression(ImageFolder):
    """Pictures with a number to predict for each; the arguments are those of `ImageFolder`, but for `classes`.

    Without a path they are scikit-learn's handwritten digits, each turned by an angle, which is to be predicted.
    """

    problem = "regression"
    instead = "image_folder"

    def unpack_sample(self, folder: Path) -> None:
        """Write scikit-learn's digits as PNG files of 32x32 pixels, each turned, and the angles in degrees."""
        angles = np.random.default_rng(0).uniform(-_TURNED, _TURNED, 2000).round(1)
        lines = ["path,target"]
        for number, ((image, _), angle) in enumerate(zip(_digits(), angles.tolist(), strict=False)):
            name = f"{number:04}.png"
            image.resize((32, 32), Image.Resampling.BILINEAR).rotate(angle, Image.Resampling.BILINEAR).save(
                folder / name
            )
            lines.append(f"{name},{angle}")
        (folder / _SAMPLE_LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")


class AudioFolder(FileFolder):
    """Sounds in a folder a class, or with the class in their names, as log-mel spectrograms of one length.

    Args:
        path: the folder; None for the sample that comes with lightune: 300 spoken digits.
        pattern: a regular expression for paths below the folder, with `(?P<label>…)`, and perhaps `(?P<group>…)`
            and `(?P<test>…)`, which is not empty for files of the official test part. None for a folder a class.
        sample_rate: samples a second that every sound is brought to, > 0.
        seconds: its length, > 0; silence stands beside what is shorter.
        crop: `center` or `start`: which part of a longer one is kept.
        mels: bands of the spectrogram, > 0.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with equal sounds: `together` keeps them on one side of each split, `drop` keeps
            the first, `keep` divides them like others.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how energies are scaled, with statistics of the training part only.
        placement: where samples lie, as of `InMemoryData`.
        num_workers: processes that prepare batches of a stream, and threads that decode files, >= 0.
        cache: whether what was decoded is kept below the output root, for the next start of the same data.
        output_root: the folder; None to keep nothing.
        target_scaling: how the values of regression are scaled; losses see scaled ones, metrics the real ones.
        pos_label: of two classes the positive one, as of `CSV`.
    """

    kind = "audio"
    suffixes = SOUND_SUFFIXES
    instead = "audio_regression"

    def __init__(
        self,
        path: str | None = None,
        pattern: str | None = None,
        sample_rate: PositiveInt = 8000,
        seconds: PositiveFloat = 1.0,
        crop: Crop = "center",
        mels: PositiveInt = 64,
        classes: list[str] | None = None,
        labels: str | None = None,
        on_unreadable: OnUnreadable = "refuse",
        duplicates: Duplicates = "together",
        batch_size: BatchSize = 64,
        scaling: Scaling = "standard",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
        cache: bool = True,
        output_root: str | None = None,
        target_scaling: Scaling = "standard",
        pos_label: PosLabel = None,
    ) -> None:
        served = {"batch_size": batch_size, "scaling": scaling, "placement": placement, "num_workers": num_workers}
        served["target_scaling"] = target_scaling
        super().__init__(path, classes, labels, on_unreadable, duplicates, cache, output_root, **served)
        self.pos_label = pos_label
        self.pattern = pattern
        self.format = SoundFormat(sample_rate, seconds, crop, mels)

    def read_files(self, paths: Sequence[Path]) -> tuple[Tensor, dict[int, str]]:
        """Read sounds as spectrograms (N, 1, mels, frames) float32; return them, and place → why one cannot be."""
        waves = torch.zeros((len(paths), self.format.samples))
        unreadable = self._fill(waves, lambda place: read_sound(paths[place], self.format))
        to_mels = LogMel(self.format)
        return torch.cat([to_mels(part) for part in torch.split(waves, self.format.together)]), unreadable

    @property
    def decoded_together(self) -> int:
        """How many sounds are decoded at a time, or a multiple of it, > 0."""
        return self.format.together

    @property
    def decoded_shape(self) -> tuple[int, ...]:
        """Shape (1, mels, frames) of a spectrogram."""
        return LogMel(self.format).shape

    def read_original(self, path: Path) -> Tensor:
        """Decode a sound (samples,) float32 of the rate and the length of all."""
        return read_sound(path, self.format)

    def schema_of_files(self) -> Mapping[str, Any]:
        """Return what another sound is decoded by."""
        return {"kind": "audio", **self.format.plain()}

    def unpack_sample(self, folder: Path) -> None:
        """Write the spoken digits, a folder a digit."""
        with (
            (files("lightune.data") / "files" / "spoken_digits.zip").open("rb") as packed,
            ZipFile(packed) as sounds,
        ):
            sounds.extractall(folder)


class AudioRegression(AudioFolder):
    """Sounds with a number to predict for each; the arguments are those of `AudioFolder`, but for `classes`.

    Without a path they are 300 spoken digits, and how many seconds each lasts.
    """

    problem = "regression"
    instead = "audio_folder"

    def unpack_sample(self, folder: Path) -> None:
        """Write the spoken digits, and the seconds that each lasts."""
        super().unpack_sample(folder)
        lines = ["path,target"]
        for file in files_below(folder, self.suffixes):
            rate, wave = wavfile.read(file)
            lines.append(f"{file.relative_to(folder).as_posix()},{len(wave) / rate:.4f}")
        (folder / _SAMPLE_LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digits() -> Iterator[tuple[Image.Image, int]]:
    """Yield scikit-learn's handwritten digits as grey pictures of 8x8 pixels, and what each shows."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    for image, label in zip(bunch.images, bunch.target.tolist(), strict=True):
        yield Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)), label


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
