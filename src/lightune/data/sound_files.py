"""Sound files as log-mel spectrograms of one length: one reader for training and for prediction."""

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly
from torch import Tensor, nn

from lightune.wording import counted

__all__ = ["SOUND_SUFFIXES", "Crop", "LogMel", "SoundFormat", "of_length", "read_sound"]

Crop = Literal["center", "start"]
SOUND_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})

_TOGETHER, _SAMPLES_TOGETHER = 256, 2**21
_WINDOW, _HOP = 0.032, 0.010  # seconds
_FLOOR = 1e-6  # of a mel band's energy, below which it is silence
_RATES = (100, 1_000_000)  # samples a second that a sound may have
_UNKNOWN = 2**32 - 1  # length of what was written before it was known
_DAMAGED = (ValueError, EOFError, LookupError, TypeError, ArithmeticError, UnboundLocalError, struct.error)


@dataclass(frozen=True)
class SoundFormat:
    """What every sound becomes.

    Args:
        sample_rate: samples a second, > 0.
        seconds: length that every sound is brought to, > 0; silence stands beside what is shorter.
        crop: `center` or `start`: which part of a longer sound is kept.
        mels: bands of the spectrogram, > 0.
    """

    sample_rate: int
    seconds: float
    crop: Crop = "center"
    mels: int = 64

    def plain(self) -> dict[str, Any]:
        """Return it as numbers and texts."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `plain` was made of."""
        return cls(int(plain["sample_rate"]), float(plain["seconds"]), plain["crop"], int(plain["mels"]))

    @property
    def samples(self) -> int:
        """Number of samples of a sound."""
        return max(1, round(self.sample_rate * self.seconds))

    @property
    def together(self) -> int:
        """How many sounds are turned into spectrograms together, > 0: fewer of long ones."""
        return max(1, min(_TOGETHER, _SAMPLES_TOGETHER // self.samples))


class LogMel(nn.Module):
    """Map waveforms to the logarithm of the energy in mel bands, as torchaudio's MelSpectrogram has it.

    Windows of 32 ms every 10 ms, triangular bands on the mel scale of HTK, from 0 to half of the sample rate.

    Args:
        wanted: sample rate and number of bands.
    """

    def __init__(self, wanted: SoundFormat) -> None:
        super().__init__()
        self.size = 2 ** math.ceil(math.log2(wanted.sample_rate * _WINDOW))
        self.hop = max(1, round(wanted.sample_rate * _HOP))
        self.samples = wanted.samples
        self.register_buffer("window", torch.hann_window(self.size))
        self.register_buffer("bands", _bands(self.size // 2 + 1, wanted.mels, wanted.sample_rate))
        self.window: Tensor
        self.bands: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (1, mels, frames) of the spectrogram of a sound."""
        return 1, len(self.bands), 1 + self.samples // self.hop

    def forward(self, waves: Tensor) -> Tensor:
        """Map waveforms (B, samples) float32 to (B, 1, mels, frames) float32."""
        spectrum = torch.stft(
            waves, self.size, self.hop, window=self.window, center=True, pad_mode="constant", return_complex=True
        )
        energy = spectrum.abs().square()
        return torch.log(self.bands @ energy + _FLOOR).unsqueeze(1)


def read_sound(source: Path | bytes, wanted: SoundFormat) -> Tensor:
    """Return a waveform (samples,) float32 from -1 to 1: one channel, the wanted rate, the wanted length.

    Args:
        source: a WAV file, or its content; others if the package soundfile is there.
        wanted: what it becomes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no sound, or has no samples.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    rate, wave = _decoded(content, "" if isinstance(source, bytes) else source.suffix.lower())
    if not len(wave):
        raise ValueError("has no samples")
    if not np.isfinite(wave).all():
        raise ValueError("has samples that are no numbers")
    if rate != wanted.sample_rate:
        common = math.gcd(rate, wanted.sample_rate)
        wave = resample_poly(wave, wanted.sample_rate // common, rate // common)
    return torch.from_numpy(np.ascontiguousarray(of_length(wave, wanted), dtype=np.float32))


def of_length(wave: NDArray[Any], wanted: SoundFormat) -> NDArray[Any]:
    """Return a waveform (samples,) of the wanted length: cut, or with silence beside it."""
    extra = len(wave) - wanted.samples
    if extra > 0:
        first = extra // 2 if wanted.crop == "center" else 0
        return wave[first : first + wanted.samples]
    before = -extra // 2 if wanted.crop == "center" else 0
    return np.pad(wave, (before, -extra - before))


def _decoded(content: bytes, suffix: str) -> tuple[int, NDArray[np.float32]]:
    if not content:
        raise ValueError("is empty")
    if content[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        return _by_soundfile(content, suffix)
    if lacking := _lacking(content):
        raise ValueError(f"is cut off: its sound lacks {counted(lacking, 'byte')}")
    try:
        rate, wave = wavfile.read(io.BytesIO(content))
    except _DAMAGED as error:
        raise ValueError(f"cannot be decoded ({error})") from error
    if not _RATES[0] <= rate <= _RATES[1]:
        raise ValueError(f"has a sample rate of {rate:,}, which is none of a sound")
    if wave.dtype == np.uint8:
        values = (wave.astype(np.float32) - 128) / 128
    elif wave.dtype.kind == "i":
        values = (wave / -float(np.iinfo(wave.dtype).min)).astype(np.float32)
    else:
        values = wave.astype(np.float32)
    return int(rate), values if values.ndim == 1 else values.mean(axis=1)


def _lacking(content: bytes) -> int:
    """Return how many bytes of a WAV's sound are missing at its end."""
    order: Literal["big", "little"] = "big" if content.startswith(b"RIFX") else "little"
    place = 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], order)
        if content[place : place + 4] == b"data":
            return 0 if size == _UNKNOWN else max(0, place + 8 + size - len(content))
        place += 8 + size + size % 2
    return 0


def _by_soundfile(content: bytes, suffix: str) -> tuple[int, NDArray[np.float32]]:
    try:
        import soundfile
    except ImportError as error:
        kind = "other" if suffix in ("", ".wav") else suffix[1:].upper()
        raise ValueError(f"is no WAV; for {kind} files: pip install 'lightune[audio]'") from error
    try:
        wave, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"cannot be decoded ({str(error).rpartition(': ')[2]})") from error
    return int(rate), wave.mean(axis=1)


def _bands(frequencies: int, mels: int, sample_rate: int) -> Tensor:
    """Return triangular bands (mels, frequencies), their corners even on the mel scale, 2595 log10(1 + f/700)."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, mels + 2, dtype=torch.float64) / 2595) - 1)
    places = torch.linspace(0, sample_rate / 2, frequencies, dtype=torch.float64)
    rising = (places - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - places) / (corners[2:] - corners[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0).float()
