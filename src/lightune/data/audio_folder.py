"""Folders of sounds, as log-mel spectrograms of one length."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from scipy.io import wavfile
from torch import Tensor

from lightune.data.class_names import PosLabel
from lightune.data.file_folder import SAMPLE_LABELS, FileFolder, OnUnreadable
from lightune.data.file_lists import files_below
from lightune.data.memory import BatchSize
from lightune.data.placement import Placement
from lightune.data.row_digests import Duplicates
from lightune.data.scaling import Scaling
from lightune.data.sound_files import SOUND_SUFFIXES, Crop, LogMel, SoundFormat, read_sound
from lightune.ranges import NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["AudioFolder", "AudioRegression"]


class AudioFolder(FileFolder):
    """Sounds in a folder a class, or with the class in their names, as log-mel spectrograms of one length.

    Args:
        path: the folder; None for the sample that comes with lightune: 300 spoken digits.
        pattern: a regular expression for paths below the folder, with `(?P<label>…)`, and perhaps `(?P<group>…)`
            and `(?P<test>…)`, which is not empty for files of the official test part. None for a folder a class.
        sample_rate: samples a second that every sound is brought to, > 0.
        seconds: length that every sound is brought to, > 0; silence stands beside what is shorter.
        crop: `center` or `start`: which part of a longer sound is kept.
        mels: bands of the spectrogram, > 0.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with equal sounds: `together` keeps them on one side of each split, `drop` keeps
            the first, `keep` divides them like others.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how energies are scaled, with statistics of the training part only.
        placement: where samples lie: `device`, `host`, `stream`; `auto` looks at the memory that is free.
        num_workers: processes that prepare batches of a stream, and threads that decode files, >= 0.
        cache: whether what was decoded is kept below the output root, for the next start of the same data.
        output_root: the folder; None to keep nothing.
        target_scaling: how the values of regression are scaled; losses see scaled ones, metrics the real ones.
        pos_label: of two classes the positive one, which precision, recall and the like are of; None for the last.
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
        (folder / SAMPLE_LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")
