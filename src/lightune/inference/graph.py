"""A trained run as one network that takes what a program has: columns, pixels, waveforms, token numbers.

What stands between these and the raw tensors that a preparation takes is written here in operations that an
exporter can trace, for batches and pictures of any size.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightune.data.columns import MISSING, UNKNOWN, Column, numbers_among, used
from lightune.data.image_files import ImageFormat
from lightune.data.sound_files import LogMel, SoundFormat
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor

__all__ = ["GraphInput", "PredictingGraph", "graph_of"]

BATCH = "N"
"""Name of the dimension of samples, which is of any size."""

_PRECISION = 22  # bits of a weight of resizing, at most
_SHORT = 2.0**15  # weights are whole numbers below it


@dataclass(frozen=True)
class GraphInput:
    """One input of an exported network.

    Args:
        name: what it is called.
        dtype: `float64`, `float32`, `int64`, `uint8`, or `string` where the format has texts.
        shape: a number for each dimension, or a name where it is of any size.
        holds: what it holds, in a sentence.
        codes: text → number in the place of which the text is given; the default is for all others.
        default: the number of a text that `codes` does not name.
    """

    name: str
    dtype: Literal["float64", "float32", "int64", "uint8", "string"]
    shape: tuple[int | str, ...]
    holds: str
    codes: dict[str, int] | None = None
    default: int = int(UNKNOWN)

    def plain(self) -> dict[str, Any]:
        """Return it as texts, numbers and lists."""
        return {key: value for key, value in asdict(self).items() if self.codes is not None or "cod" not in key}


class PredictingGraph(nn.Module):
    """Map the inputs that a program gives to what the run predicts.

    Args:
        front: maps the inputs to raw samples (B, …).
        networks: one a fit; their predictions are averaged, as `lightune predict` does.
        prepares: whether their preparations are applied; else the inputs are prepared.
        has_classes: whether classes are predicted, else values.
    """

    def __init__(
        self, front: nn.Module, networks: Sequence[PredictingNetwork], *, prepares: bool, has_classes: bool
    ) -> None:
        super().__init__()
        self.front = front
        self.networks = nn.ModuleList(networks)
        self.prepares = prepares
        self.has_classes = has_classes
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Map inputs to probabilities (B, C) and the places of the likeliest classes (B,), or to values."""
        raw = self.front(*inputs)
        each = [network(raw) if self.prepares else network.of_prepared(raw) for network in self.networks]  # type: ignore[operator]
        predicted = each[0] if len(each) == 1 else torch.stack(each).mean(dim=0)
        if self.has_classes:
            return predicted, predicted.argmax(dim=1)
        return (predicted.squeeze(1) if predicted.shape[1] == 1 else predicted,)


def graph_of(predictor: Predictor, *, prepares: bool = True) -> tuple[PredictingGraph, list[GraphInput]]:
    """Return the network of a run that takes what a program has, and its inputs in their order.

    Args:
        predictor: the run.
        prepares: whether the preparation is part of it; else it takes prepared inputs, as the network was trained
            on.

    Raises:
        ValueError: if it is not to prepare, and several networks each have their own preparation.
    """
    if not prepares and len(predictor.networks) > 1:
        raise ValueError(
            f"is for one network; the run has {len(predictor.networks)}, each with its own preparation"
        )
    front, inputs = _front(predictor) if prepares else _prepared(predictor)
    graph = PredictingGraph(front, predictor.networks, prepares=prepares, has_classes=bool(predictor.classes))
    return graph, inputs


def _front(predictor: Predictor) -> tuple[nn.Module, list[GraphInput]]:
    schema = predictor.schema
    if "columns" in schema:
        columns = used([Column.from_plain(plain) for plain in schema["columns"]])
        na_values = [str(value) for value in schema["na_values"]]
        inputs = [_column(column, na_values) for column in columns]
        numbers = sum(column.kind == "numeric" for column in columns)
        return _Columns(numbers, numbers_among(na_values)), inputs
    if "text" in schema:
        holds = "numbers of tokens in `samples.vocabulary`, -2 for one that it lacks, -1 behind the end of a text"
        return nn.Identity(), [GraphInput("tokens", "int64", (BATCH, "T"), holds)]
    files = schema.get("files")
    if files is None:
        shape: tuple[int | str, ...] = (BATCH, *predictor.raw_shape)
        return nn.Identity(), [GraphInput("inputs", "float32", shape, "samples as the data were read")]
    plain = {key: value for key, value in files.items() if key != "kind"}
    if files["kind"] == "image":
        image = ImageFormat.from_plain(plain)
        holds = "upright pictures as decoded, of one size, whatever it is, grey or red, green and blue, 0 to 255"
        return _Pictures(image), [GraphInput("pixels", "uint8", (BATCH, image.channels, "height", "width"), holds)]
    sound = SoundFormat.from_plain(plain)
    holds = f"waveforms of one channel, of one length, whatever it is, -1 to 1, {sound.sample_rate} a second"
    return _Sounds(sound), [GraphInput("waves", "float32", (BATCH, "samples"), holds)]


def _prepared(predictor: Predictor) -> tuple[nn.Module, list[GraphInput]]:
    is_text = "text" in predictor.schema
    shape: tuple[int | str, ...] = (BATCH, "T") if is_text else (BATCH, *predictor.input_shape)
    holds = "prepared samples, as the network was trained on"
    return nn.Identity(), [GraphInput("inputs", "int64" if is_text else "float32", shape, holds)]


def _column(column: Column, na_values: Sequence[str]) -> GraphInput:
    if column.kind == "numeric":
        return GraphInput(column.name, "float64", (BATCH,), "numbers, NaN where one is missing")
    codes = {value: place for place, value in enumerate(column.categories)}
    codes |= dict.fromkeys(na_values, int(MISSING))
    return GraphInput(column.name, "string", (BATCH,), "categories, without spaces around them", codes)


class _Columns(nn.Module):
    """Put columns (B,) together to raw rows (B, F + C) float64: numbers, then codes of categories."""

    def __init__(self, numbers: int, missing: Sequence[float]) -> None:
        super().__init__()
        self.numbers, self.missing = numbers, list(missing)

    def forward(self, *columns: Tensor) -> Tensor:
        served = []
        for place, column in enumerate(columns):
            values = column.double()
            if place < self.numbers:
                absent = ~torch.isfinite(values)
                for number in self.missing:
                    absent = absent | (values == number)
                values = torch.where(absent, torch.nan, values)
            served.append(values)
        return torch.stack(served, dim=1)


class _Sounds(nn.Module):
    """Bring waveforms (B, any) to one length, as `of_length` does, and to log-mel spectrograms."""

    def __init__(self, wanted: SoundFormat) -> None:
        super().__init__()
        self.to_mels = LogMel(wanted)
        self.is_centered = wanted.crop == "center"
        self.register_buffer("places", torch.arange(wanted.samples))
        self.places: Tensor

    def forward(self, waves: Tensor) -> Tensor:
        ends = torch.arange(waves.shape[1])[-1:]  # as a tensor, for a traced length is no number
        extra = ends + 1 - len(self.places)
        first = torch.div(extra, 2, rounding_mode="trunc") if self.is_centered else extra * 0
        places = self.places + first
        within = (places >= 0) & (places <= ends)
        kept = torch.where(within, waves[:, torch.minimum(places.clamp(min=0), ends)], 0.0)
        mels: Tensor = self.to_mels(kept)
        return mels


class _Pictures(nn.Module):
    """Bring pictures (B, C, any, any) uint8 to one size, as `resized` does, bit for bit on a CPU with AVX2.

    Antialiased bilinear resizing is a matrix product along each side. Like torch's kernel for bytes it rounds
    weights to whole numbers of 16 bits, and to bytes after each side; all sums are exact in double precision.
    """

    def __init__(self, wanted: ImageFormat) -> None:
        super().__init__()
        self.size, self.resize = float(wanted.size), wanted.resize
        self.register_buffer("places", torch.arange(wanted.size, dtype=torch.float64))
        self.register_buffer("powers", 2.0 ** torch.arange(1, _PRECISION + 1, dtype=torch.float64))
        self.places: Tensor
        self.powers: Tensor

    def forward(self, pictures: Tensor) -> Tensor:
        rows, columns = (torch.arange(pictures.shape[side], dtype=torch.float64) for side in (-2, -1))
        height, width = rows[-1] + 1, columns[-1] + 1  # as tensors, for traced sizes are no numbers
        wide = self._along(pictures.double(), columns, width, height)
        return self._along(wide.transpose(-1, -2), rows, height, width).transpose(-1, -2).float()

    def _along(self, pixels: Tensor, inside: Tensor, length: Tensor, other: Tensor) -> Tensor:
        """Resize along the last side, of some length; `other` is the length of the other."""
        kept, start, first = length, torch.zeros_like(length), torch.zeros_like(length)
        count = torch.full_like(length, self.size)
        if self.resize == "crop":
            kept = torch.minimum(length, other)
            start = torch.round((length - kept) / 2)
        elif self.resize == "pad":
            count = torch.round(self.size / torch.maximum(length, other) * length).clamp(min=1)
            first = torch.floor((self.size - count) / 2)
        scale = kept / count
        support = scale.clamp(min=1)
        places = (self.places - first).unsqueeze(1)
        center, at = scale * (places + 0.5), inside - start
        lowest = torch.floor(center - support + 0.5).clamp(min=0)
        highest = torch.minimum(torch.floor(center + support + 0.5), kept)
        is_used = (at >= lowest) & (at < highest) & (places >= 0) & (places < count)
        weights = torch.where(is_used, (1 - ((at - center + 0.5) / support).abs()).clamp(min=0), 0.0)
        total = weights.sum(dim=1, keepdim=True)
        weights = weights / torch.where(total > 0, total, 1.0)
        power = 2.0 ** (torch.floor(0.5 + weights.max() * self.powers) < _SHORT).double().sum()
        whole = torch.floor(0.5 + weights * power)
        return torch.floor((pixels @ whole.T + power / 2) / power).clamp(0, 255)
