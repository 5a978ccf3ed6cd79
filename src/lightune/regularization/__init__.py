"""What holds a network back: one set of strengths that add up."""

from lightune.regularization.averages import WeightAverage
from lightune.regularization.strengths import Regularization

__all__ = ["Regularization", "WeightAverage"]
