"""Samples that an exported network is compared on with the one that it was made of."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.data.columns import Column, used
from lightune.data.image_files import ImageFormat, resized
from lightune.data.preparation import TablePreparation
from lightune.data.scaling import Affine
from lightune.data.sound_files import LogMel, SoundFormat, of_length
from lightune.inference.exported import Answer
from lightune.inference.graph import GraphInput
from lightune.inference.predictor import Predictor
from lightune.inference.table_input import TableInput, Tally

__all__ = ["Trial", "difference", "made_up", "trials_of"]


class Trial(NamedTuple):
    """One batch for the exported network, and the same samples as the data were read.

    Args:
        arrays: one an input of the exported network.
        raw: (N, …) as preparations take it.
    """

    arrays: list[NDArray[Any]]
    raw: Tensor


def trials_of(
    predictor: Predictor,
    inputs: Sequence[GraphInput],
    samples: Tensor | Sequence[Tensor],
    *,
    prepares: bool = True,
) -> Iterator[Trial]:
    """Yield batches of samples, one a size, as the exported network takes them and as the data were read.

    Args:
        predictor: the run.
        inputs: of the exported network.
        samples: raw samples (N, …); of pictures and sounds a list of what is in the files, in any sizes.
        prepares: whether the exported network prepares its inputs.
    """
    for arrays, raw in _given(predictor, inputs, samples):
        if not prepares:
            with torch.inference_mode():
                arrays = [predictor.preparation(raw).numpy()]
        yield Trial(arrays, raw)


def made_up(predictor: Predictor, seed: int = 0) -> Tensor | list[Tensor]:
    """Return samples that are made up, as `trials_of` takes them: noise, some of it missing, in several sizes."""
    chance = torch.Generator().manual_seed(seed)
    schema, preparation = predictor.schema, predictor.preparation
    if "files" in schema:
        plain = {key: value for key, value in schema["files"].items() if key != "kind"}
        if schema["files"]["kind"] == "image":
            image = ImageFormat.from_plain(plain)
            sizes = [(image.size, image.size), (2 * image.size + 1, image.size), (7, 3 * image.size)]
            return [torch.randint(0, 256, (image.channels, *size), generator=chance).byte() for size in sizes]
        length = SoundFormat.from_plain(plain).samples
        return [torch.rand(size, generator=chance) - 0.5 for size in (length, 2 * length + 1, length // 2 + 1)]
    if "text" in schema:
        return torch.randint(-2, len(schema["vocabulary"]), (4, 9), generator=chance).int()
    if isinstance(preparation, TablePreparation):
        noise = torch.randn(8, len(preparation.fill), generator=chance, dtype=torch.float64)
        numbers = preparation.shift + preparation.scale * noise
        numbers[0], numbers[1, ::2] = torch.nan, torch.nan
        columns = [Column.from_plain(plain) for plain in schema["columns"]]
        codes = [
            torch.randint(-2, len(column.categories), (8, 1), generator=chance).double()
            for column in columns
            if column.kind == "categorical"
        ]
        return torch.cat([numbers, *codes], dim=1)
    noise = torch.randn(8, *predictor.raw_shape, generator=chance)
    return preparation.inverse(noise) if isinstance(preparation, Affine) else noise


def difference(predictor: Predictor, trial: Trial, answer: Answer) -> float:
    """Return the largest difference between what an exported network says and what the run predicts.

    Of classes it is that of a probability, from 0 to 1; of values a share of the largest of them. It is infinite
    where a class is named that is not the likeliest, or something is no number.
    """
    wanted = predictor.of_raw(trial.raw).numpy().astype(np.float64)
    said = answer.predicted.reshape(wanted.shape) if answer.probabilities is None else answer.probabilities
    if answer.probabilities is not None:
        likeliest = [predictor.classes[place] for place in answer.probabilities.argmax(axis=1)]
        if answer.predicted.tolist() != likeliest:
            return float("inf")
    apart = np.abs(said.astype(np.float64) - wanted).max(initial=0.0)
    whole = 1.0 if answer.probabilities is not None else np.abs(wanted).max(initial=0.0) or 1.0
    return float(apart / whole) if np.isfinite(apart) else float("inf")


def _given(
    predictor: Predictor, inputs: Sequence[GraphInput], samples: Tensor | Sequence[Tensor]
) -> Iterator[tuple[list[NDArray[Any]], Tensor]]:
    schema = predictor.schema
    if "files" in schema:
        plain = {key: value for key, value in schema["files"].items() if key != "kind"}
        for alike in _of_one_size(samples):
            if schema["files"]["kind"] == "image":
                image = ImageFormat.from_plain(plain)
                yield [alike.numpy()], torch.stack([resized(each, image) for each in alike]).float()
            else:
                sound = SoundFormat.from_plain(plain)
                kept = torch.stack([torch.from_numpy(of_length(each.numpy(), sound).copy()) for each in alike])
                yield [alike.numpy()], LogMel(sound)(kept)
        return
    assert isinstance(samples, Tensor)
    if "columns" not in schema:
        kind = np.int64 if "text" in schema else np.float32
        yield [samples.numpy().astype(kind)], samples if "text" in schema else samples.float()
        return
    columns = used([Column.from_plain(plain) for plain in schema["columns"]])
    missing = schema["na_values"][0] if schema["na_values"] else ""
    table: dict[str, NDArray[Any]] = {}
    for column, values in zip(columns, samples.double().numpy().T, strict=True):
        if column.kind == "numeric":
            table[column.name] = np.ascontiguousarray(values)
            continue
        unknown = "another"
        while unknown in column.categories or unknown in schema["na_values"]:
            unknown += "_"
        texts = [*column.categories, unknown, missing]  # the last two of which have the codes -2 and -1
        table[column.name] = np.array([texts[int(code)] for code in values], dtype=object)
    yield [table[column.name] for column in columns], TableInput(schema).raw(table, Tally())


def _of_one_size(samples: Tensor | Sequence[Tensor]) -> Iterator[Tensor]:
    sizes: dict[tuple[int, ...], list[Tensor]] = {}
    for each in samples:
        sizes.setdefault(tuple(each.shape), []).append(each)
    yield from map(torch.stack, sizes.values())
