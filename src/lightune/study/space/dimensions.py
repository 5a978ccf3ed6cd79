"""What one swept key may be: a list of values, evenly spaced numbers, or an interval.

Values travel as the texts that Hydra's grammar writes for them, so that `1`, `1.0`, `true` and `'true'` stay four
values. This module must not import Optuna, torch or Lightning at its top.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Choice", "Dimension", "Interval", "Steps", "text_keys", "typed_key"]

Number = int | float


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Args:
        key: the override's key, with its `+` or `++` if it has one; a mapping beside another sweep of its key has
            the keys that it sets behind it, as in `model{layers,units}`.
        texts: the values, each written as in an override.
        when: key → accepted values; the dimension exists where all of them hold.
    """

    key: str
    texts: tuple[str, ...]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def distribution(self) -> "BaseDistribution":
        """Return the values as Optuna knows them: by their texts."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.texts)

    def grid(self) -> tuple[str, ...]:
        """Return the texts in their order."""
        return self.texts

    def size(self) -> int:
        """Return how many values there are."""
        return len(self.texts)

    def text(self, value: Any) -> str:
        """Write a value that Optuna chose as an override does."""
        return str(value)

    def value(self, text: str) -> Any:
        """Return what Optuna stores for a text.

        Raises:
            ValueError: if the text is none of the values.
        """
        if text not in self.texts:
            raise ValueError(f"must be one of {', '.join(self.texts)}")
        return text

    def edges(self) -> tuple[str, ...]:
        """Return the texts to judge before the first trial."""
        return self.texts


@dataclass(frozen=True)
class Steps:
    """One of evenly spaced numbers, in the order in which Hydra's `range` gives them.

    Args:
        key: the override's key.
        numbers: at least one; all whole or all floating.
        step: their distance, > 0.
        when: as for a choice.
    """

    key: str
    numbers: Sequence[Number]
    step: Number
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def distribution(self) -> "BaseDistribution":
        """Return the numbers as Optuna knows them."""
        from optuna.distributions import FloatDistribution, IntDistribution

        low, high = self._ends()
        if isinstance(low, int) and isinstance(high, int) and isinstance(self.step, int):
            return IntDistribution(low, high, step=self.step)
        return FloatDistribution(low, high, step=self.step)

    def grid(self) -> Iterator[str]:
        """Yield the numbers' texts in their order."""
        return map(str, self.numbers)

    def size(self) -> int:
        """Return how many numbers there are."""
        return len(self.numbers)

    def text(self, value: Any) -> str:
        """Write a number that Optuna chose as Hydra would have written it."""
        return str(self._nearest(value))

    def value(self, text: str) -> Any:
        """Return what Optuna stores for a text.

        Raises:
            ValueError: if the text is none of the numbers.
        """
        low, high = self._ends()
        try:
            number = self._nearest(int(text) if isinstance(low, int) else float(text))
        except ValueError:
            number = None
        if text != str(number):
            raise ValueError(f"must be one of the numbers from {low} to {high}")
        return number

    def _ends(self) -> tuple[Number, Number]:
        """Return the least and the greatest number."""
        first, last = self.numbers[0], self.numbers[-1]
        return (first, last) if first <= last else (last, first)

    def _nearest(self, value: Number) -> Number:
        """Return the number nearest to a value: computed, as there may be millions."""
        low, high = self._ends()
        value, first = min(max(value, low), high), self.numbers[0]
        index = int((value - first) // (self.step if first == low else -self.step))
        near = self.numbers[max(index - 1, 0) : index + 3]  # rounding may be one off
        return min(near, key=lambda number: abs(number - value))

    def edges(self) -> tuple[str, ...]:
        """Return the texts to judge before the first trial."""
        return tuple(dict.fromkeys((str(self.numbers[0]), str(self.numbers[-1]))))


def text_keys(dimensions: Iterable["Dimension"]) -> tuple[str, ...]:
    """Return the keys of which not every trial has a number: in a table, all their values are texts."""
    return tuple(dimension.key for dimension in dimensions if not _has_numbers(dimension))


def _has_numbers(dimension: "Dimension") -> bool:
    texts = dimension.texts if isinstance(dimension, Choice) else ()
    return not dimension.when and all(map(_is_number, texts))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@dataclass(frozen=True)
class Interval:
    """A number between two others, both included.

    Args:
        key: the override's key.
        low: the least number, finite; whole numbers on both sides give whole numbers.
        high: the greatest number, finite and >= low.
        log: whether orders of magnitude are equally likely; then low > 0.
        when: as for a choice.
    """

    key: str
    low: Number
    high: Number
    log: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"an interval needs finite ends, got {self.low} and {self.high}")
        if self.low > self.high:
            raise ValueError(f"an interval begins at its lower end, got {self.low} and {self.high}; exchange them")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic interval begins above 0, got {self.low}")

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def distribution(self) -> "BaseDistribution":
        """Return the interval as Optuna knows it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def grid(self) -> None:
        """Return nothing: an interval cannot be listed."""

    def size(self) -> None:
        """Return nothing: an interval has no number of values."""

    def text(self, value: Any) -> str:
        """Write a number that Optuna chose as an override does."""
        return str(int(value)) if self.whole else repr(float(value))

    def value(self, text: str) -> Any:
        """Return what Optuna stores for a text.

        Raises:
            ValueError: if the text is no number of the interval.
        """
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            number = math.nan
        if not self.low <= number <= self.high:
            kind = "whole number" if self.whole else "number"
            raise ValueError(f"must be a {kind} from {self.low} to {self.high}")
        return number

    def edges(self) -> tuple[str, ...]:
        """Return the texts to judge before the first trial."""
        return tuple(dict.fromkeys((self.text(self.low), self.text(self.high))))


Dimension = Choice | Steps | Interval


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


def typed_key(dimension: _Keyed) -> str:
    """Return the key of a dimension, or of what is known of one, as an override has it."""
    return dimension.key.partition("{")[0]
