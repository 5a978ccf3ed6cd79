"""Bounds that a signature can carry, so that a value is judged before anything heavy is imported.

An argument annotated `PositiveInt` is checked by `lightune.config.validate` from the source text alone; a
package of one's own can use the same names. This module must not import torch or Lightning.
"""

import math
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """The numbers an argument may take; None leaves a side open.

    Args:
        gt: exclusive lower bound.
        ge: inclusive lower bound.
        lt: exclusive upper bound.
        le: inclusive upper bound.
    """

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            not math.isnan(value)
            and (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
        )

    def __str__(self) -> str:
        low = self.gt if self.gt is not None else self.ge
        high = self.lt if self.lt is not None else self.le
        if low is not None and high is not None:
            left = "(" if self.gt is not None else "["
            right = ")" if self.lt is not None else "]"
            return f"in {left}{low}, {high}{right}"
        if low is not None:
            return f"{'>' if self.gt is not None else '>='} {low}"
        if high is not None:
            return f"{'<' if self.lt is not None else '<='} {high}"
        return "of any size"


PositiveInt = Annotated[int, Range(gt=0)]
"""A whole number above 0."""
NonNegativeInt = Annotated[int, Range(ge=0)]
"""A whole number from 0 on."""
PositiveFloat = Annotated[float, Range(gt=0)]
"""A number above 0."""
NonNegativeFloat = Annotated[float, Range(ge=0)]
"""A number from 0 on."""
Probability = Annotated[float, Range(ge=0, lt=1)]
"""A probability that must leave something over: dropout, momentum, a moment's decay."""
Fraction = Annotated[float, Range(gt=0, lt=1)]
"""A proper part of a whole, such as the share of samples held out."""
UnitInterval = Annotated[float, Range(ge=0, le=1)]
"""A number from 0 to 1, both included."""
Rotation = Annotated[float, Range(ge=0, le=180)]
"""The size of an angle in degrees."""
Seed = Annotated[int, Range(ge=0, le=2**32 - 1)]
"""What NumPy and torch take as a seed."""
