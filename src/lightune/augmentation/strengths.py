"""The strengths of augmentation, and what they make of a batch."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lightune.augmentation import color, geometry, spectrogram
from lightune.augmentation.geometry import Affine2d
from lightune.augmentation.random_numbers import uniforms
from lightune.augmentation.trivial import OPERATIONS, trivially_varied
from lightune.augmentation.values import ValueRange
from lightune.ranges import NonNegativeFloat, Rotation, UnitInterval

__all__ = ["Augmentation"]

_NUMBERS_AT_ONCE = 2**18  # of samples, so that what is computed one after the other stays in the processor's cache
_COLORS = {"brightness": color.brighten_, "contrast": color.contrast_, "saturation": color.saturate_}
Numbers = Mapping[str, Tensor]


class Augmentation:
    """Hold every strength of a run; a preset sets some, the command line any. Strengths of zero do nothing.

    Each training sample is varied anew each epoch, by numbers that depend on the run's seed, the epoch and the
    sample's row alone: a sample comes out the same in whatever batch, order or process it is varied.

    Args:
        flip: probability that an image is mirrored left to right, in [0, 1].
        crop: share of each side, in [0, 1], that an image is padded by with black before its size is cut out anew.
        rotate: largest angle in degrees, in [0, 180], that an image is turned by, either way.
        resize: an image is stretched or shrunk by up to 1 + this, >= 0, about its middle.
        brightness: levels are multiplied by 1 minus to 1 plus this, >= 0.
        contrast: their distance from the mean is multiplied likewise, >= 0.
        saturation: the distance of colours from grey is multiplied likewise, >= 0; of images of three channels.
        auto: share of images, in [0, 1], to which one operation of TrivialAugment is done (Müller & Hutter 2021).
        time_shift: largest share of its length, in [0, 1], that a sound is shifted by, either way.
        time_mask: largest share of a sound's frames, in [0, 1], that one mask hides (Park et al. 2019).
        frequency_mask: largest share of a sound's bands, in [0, 1], that one mask hides.
    """

    image_strengths = ("flip", "crop", "rotate", "resize", "brightness", "contrast", "saturation", "auto")
    audio_strengths = ("time_shift", "time_mask", "frequency_mask")

    def __init__(
        self,
        flip: UnitInterval = 0.0,
        crop: UnitInterval = 0.0,
        rotate: Rotation = 0.0,
        resize: NonNegativeFloat = 0.0,
        brightness: NonNegativeFloat = 0.0,
        contrast: NonNegativeFloat = 0.0,
        saturation: NonNegativeFloat = 0.0,
        auto: UnitInterval = 0.0,
        time_shift: UnitInterval = 0.0,
        time_mask: UnitInterval = 0.0,
        frequency_mask: UnitInterval = 0.0,
    ) -> None:
        self.flip, self.crop, self.rotate, self.resize = flip, crop, rotate, resize
        self.brightness, self.contrast, self.saturation, self.auto = brightness, contrast, saturation, auto
        self.time_shift, self.time_mask, self.frequency_mask = time_shift, time_mask, frequency_mask

    @property
    def strengths(self) -> dict[str, float]:
        """Name → strength of those that are not zero."""
        names = (*self.image_strengths, *self.audio_strengths)
        return {name: value for name in names if (value := getattr(self, name))}

    def unfit_for(self, kind: str) -> list[str]:
        """Return the names of strengths that samples of a kind cannot have."""
        known: dict[str, tuple[str, ...]] = {"image": self.image_strengths, "audio": self.audio_strengths}
        return [name for name in self.strengths if name not in known.get(kind, ())]

    def __call__(
        self,
        raw: Tensor,
        rows: Tensor,
        *,
        seed: int,
        epoch: int,
        values: ValueRange,
        kind: Literal["image", "audio"],
    ) -> Tensor:
        """Return varied samples (B, …) float32, in the units that they were read in.

        Args:
            raw: (B, C, H, W), or (B, 1, mels, frames), as they were read; not changed.
            rows: (B,) int64, numbers of the samples in the training part.
            seed: of the fit.
            epoch: from 0.
            values: of the training samples.
            kind: what they are.
        """
        vary = self._images if kind == "image" else self._sounds
        numbers = uniforms(rows, self._drawn(kind), seed=seed, epoch=epoch)
        samples = max(1, _NUMBERS_AT_ONCE // max(1, raw[0].numel())) if len(raw) else 1
        parts = []
        for first in range(0, len(raw), samples):
            part = slice(first, first + samples)
            parts.append(vary(raw[part], {name: own[part] for name, own in numbers.items()}, values))
        return parts[0] if len(parts) == 1 else torch.cat(parts) if parts else raw.float()

    def _drawn(self, kind: str) -> list[str]:
        """Return the names of the random numbers that the strengths need."""
        several = {
            "crop": ("crop_x", "crop_y"),
            "auto": ("auto", "operation", "magnitude"),
            "time_mask": ("time_mask", "time_start"),
            "frequency_mask": ("frequency_mask", "frequency_start"),
        }
        known = self.image_strengths if kind == "image" else self.audio_strengths
        return [number for name in known if getattr(self, name) for number in several.get(name, (name,))]

    def _images(self, raw: Tensor, u: Numbers, values: ValueRange) -> Tensor:
        colors = [(name, change) for name, change in _COLORS.items() if getattr(self, name)]
        images, black = raw, values.low
        if colors or self.auto:
            scale = color.WHITE / (values.high - values.low) if values.high > values.low else 1.0
            images, black = _levels(raw, values.low, scale), 0.0
            for name, change in colors:
                images = change(images, (1 + (2 * u[name] - 1) * getattr(self, name)).clamp(min=0))
            if self.auto:
                chosen = torch.where(u["auto"] < self.auto, (u["operation"] * len(OPERATIONS)).long(), 0)
                images = trivially_varied(images, chosen, 2 * u["magnitude"] - 1)
            images = self._placed(images, u, black)
            return images if scale == 1 and values.low == 0 else images / scale + values.low
        return self._placed(images, u, black).float()

    def _placed(self, images: Tensor, u: Numbers, black: float) -> Tensor:
        """Mirror, cut out, turn and resize images (B, C, H, W), in this order."""
        height, width = images.shape[-2:]
        mirrored = u["flip"] < self.flip if self.flip else None
        x = _whole(u["crop_x"], spectrogram.most(self.crop, width)) if self.crop else None
        y = _whole(u["crop_y"], spectrogram.most(self.crop, height)) if self.crop else None
        if not (self.rotate or self.resize):
            if x is not None and y is not None:
                return geometry.shifted(images, x, y, mirrored, black)
            return images if mirrored is None else torch.where(_of_each(mirrored), images.flip(3), images)
        like = next(iter(u.values()))
        source = Affine2d.identity(like)
        if self.resize:
            size = _power(1 + self.resize, 1 - 2 * u["resize"])  # what comes out larger is taken from less
            source = Affine2d.scaling(size, size).after(source)
        if self.rotate:
            source = Affine2d.rotation((2 * u["rotate"] - 1) * self.rotate).after(source)
        if x is not None and y is not None:
            source = Affine2d.translation(x.float(), y.float()).after(source)
        if mirrored is not None:
            ones = torch.ones_like(like)
            source = Affine2d.scaling(torch.where(mirrored, -ones, ones), ones).after(source)
        made = geometry.warped(images.float() - black if black else images.float(), source)
        return made + black if black else made

    def _sounds(self, raw: Tensor, u: Numbers, values: ValueRange) -> Tensor:
        sounds = raw.float()
        if self.time_shift:
            sounds = spectrogram.shifted(sounds, u["time_shift"], self.time_shift, values.low)
        if self.time_mask:
            spans = u["time_mask"], u["time_start"], self.time_mask
            sounds = spectrogram.masked(sounds, *spans, values.mean, dimension=3)
        if self.frequency_mask:
            spans = u["frequency_mask"], u["frequency_start"], self.frequency_mask
            sounds = spectrogram.masked(sounds, *spans, values.mean, dimension=2)
        return sounds


def _levels(raw: Tensor, low: float, scale: float) -> Tensor:
    """Return values as levels from 0 to 255, which may be overwritten."""
    return raw.to(torch.float32, copy=True) if scale == 1 and low == 0 else (raw.float() - low) * scale


def _whole(numbers: Tensor, furthest: int) -> Tensor:
    """Return whole numbers (B,) int64 from -furthest to furthest, all as likely, of numbers in [0, 1)."""
    return (numbers * (2 * furthest + 1)).long() - furthest


def _power(base: float, exponents: Tensor) -> Tensor:
    """Return powers (B,) float32, computed in double precision: the same bits in every batch."""
    return torch.pow(base, exponents.double()).float()


def _of_each(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)
