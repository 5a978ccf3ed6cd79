"""What stands beside predictions on request: sets of classes, intervals of values, and what is to be rejected."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from lightune.inference.features import Neighbours, features_of
from lightune.inference.network import PredictingNetwork
from lightune.runtime.plain_text import cell
from lightune.statistics.conformal import fit_intervals, fit_sets, upper_quantile

__all__ = ["Beside", "Confidence", "Distance", "Intervals", "Sets", "Validated", "gathered_features"]

Validated = Sequence[tuple[Tensor, Tensor]]
"""Of each fit, what it predicted (n, K) for its validation part, and the targets (n,) or (n, K)."""


class Beside(Protocol):
    """Columns that stand beside predictions."""

    header: list[str]

    def cells(self, raw: Tensor, predicted: Tensor) -> Iterator[list[str]]:
        """Yield the cells of each of some samples.

        Args:
            raw: (n, …) as the data were read.
            predicted: (n, K) of them.
        """


class Sets:
    """The classes that are likely enough for a set to hold the true one as often as asked; perhaps none.

    Args:
        validated: of classes.
        level: share of sets that hold the true class, in (0, 1).
        classes: their names.

    Raises:
        ValueError: if there are too few samples for the level.
    """

    def __init__(self, validated: Validated, level: float, classes: Sequence[str]) -> None:
        predicted, targets = _joined(validated)
        self.header = ["set"]
        self._classes = classes
        self._limit = fit_sets(predicted.double().numpy(), targets.numpy(), level)

    def cells(self, raw: Tensor, predicted: Tensor) -> Iterator[list[str]]:
        """Yield each set as a JSON list of names."""
        for inside in (1 - predicted.double() <= self._limit).tolist():
            names = [name for name, is_in in zip(self._classes, inside, strict=True) if is_in]
            yield [json.dumps(names, ensure_ascii=False)]


class Intervals:
    """Intervals of one width around predicted values that hold the true one as often as asked.

    Args:
        validated: of values.
        level: share of intervals that hold the true value, in (0, 1).

    Raises:
        ValueError: if there are too few samples for the level.
    """

    def __init__(self, validated: Validated, level: float) -> None:
        predicted, targets = _joined(validated)
        self._half = torch.from_numpy(fit_intervals(predicted.double().numpy(), targets.double().numpy(), level))
        count = len(self._half)
        names = [""] if count == 1 else [f"_{number}" for number in range(count)]
        self.header = [f"{end}{name}" for name in names for end in ("lower", "upper")]

    def cells(self, raw: Tensor, predicted: Tensor) -> Iterator[list[str]]:
        """Yield the ends of each interval."""
        middle = predicted.double()
        ends = torch.stack([middle - self._half, middle + self._half], dim=2)
        for row in ends.flatten(1).tolist():
            yield [f"{value:.6g}" for value in row]


class _Rejection:
    """What is stranger than all but a share of the validation part is rejected.

    Attributes:
        rejected: how many were so far.
    """

    def __init__(self, scores: Tensor, rate: float) -> None:
        self.header = ["outlier", "rejected"]
        self.rejected = 0
        try:
            self._limit = float(upper_quantile(scores.double().numpy(), 1 - rate))
        except ValueError as error:
            few, least = f"the {len(scores):,} of the validation part", math.ceil(1000 / (len(scores) + 1)) / 1000
            raise ValueError(
                f"a rate of {rate:g} takes more samples than {few}, which are enough for --reject-rate {least:g}"
            ) from error

    def _cells(self, scores: Tensor) -> Iterator[list[str]]:
        for score in scores.double().tolist():
            is_rejected = score > self._limit
            self.rejected += is_rejected
            yield [cell(f"{score:.6g}"), str(is_rejected).lower()]


class Confidence(_Rejection):
    """Reject by confidence: the outlier score is what the likeliest class leaves to the others.

    Args:
        validated: of classes.
        rate: share of samples like those of the validation part that are rejected, in (0, 1).

    Raises:
        ValueError: if there are too few samples for the rate.
    """

    def __init__(self, validated: Validated, rate: float) -> None:
        super().__init__(self._score(_joined(validated)[0]), rate)

    def cells(self, raw: Tensor, predicted: Tensor) -> Iterator[list[str]]:
        """Yield the score, and whether it is rejected."""
        return self._cells(self._score(predicted))

    @staticmethod
    def _score(predicted: Tensor) -> Tensor:
        return 1 - predicted.double().amax(dim=1)


class Distance(_Rejection):
    """Reject by distance: how far a sample lies from those of the validation part, before the last layer.

    Args:
        networks: of each fit.
        references: of each fit, features (R, D) of samples that it has not learnt from.
        rate: share of samples like those that are rejected, in (0, 1).

    Raises:
        ValueError: if there are too few samples for the rate.
    """

    def __init__(self, networks: Sequence[PredictingNetwork], references: Sequence[Tensor], rate: float) -> None:
        self._networks, self._known = networks, [Neighbours(each) for each in references]
        super().__init__(torch.cat([each.own_distances() for each in self._known]), rate)

    def cells(self, raw: Tensor, predicted: Tensor) -> Iterator[list[str]]:
        """Yield the score, and whether it is rejected."""
        fits = zip(self._networks, self._known, strict=True)
        distances = [known.distances(gathered_features(network, raw)) for network, known in fits]
        return self._cells(torch.stack(distances).mean(dim=0))


def gathered_features(network: PredictingNetwork, raw: Tensor) -> Tensor:
    """Return features (N, D) of samples (N, …) as the data were read, some at a time, in main memory."""
    device = next(network.parameters()).device
    parts = torch.split(raw, _AT_ONCE)
    return torch.cat([features_of(network, part.to(device)).cpu() for part in parts])


def _joined(validated: Validated) -> tuple[Tensor, Tensor]:
    predicted, targets = zip(*validated, strict=True)
    return torch.cat(predicted), torch.cat(targets)


_AT_ONCE = 1024
