"""The data sets that scikit-learn ships: real, small, and there without a download."""

import torch
from sklearn import datasets
from torch import Tensor

from lightune.data.memory import InMemoryData
from lightune.data.samples import Samples


class Digits(InMemoryData):
    """1,797 handwritten digits of 8x8 pixels, ten classes (UCI, Alpaydin & Kaynak 1998)."""

    kind = "image"

    def load(self) -> Samples:
        """Return inputs (1797, 1, 8, 8) float32 from 0 to 16."""
        bunch = datasets.load_digits()
        return Samples(_floats(bunch.images).unsqueeze(1), _classes(bunch.target), num_classes=10)


class BreastCancer(InMemoryData):
    """569 tumours described by 30 numbers, malignant or benign (UCI, Wolberg et al. 1995)."""

    def load(self) -> Samples:
        """Return inputs (569, 30) float32; class 1 is benign."""
        bunch = datasets.load_breast_cancer()
        return Samples(_floats(bunch.data), _classes(bunch.target), num_classes=2)


class Wine(InMemoryData):
    """178 wines described by 13 numbers, three growers (UCI, Forina et al. 1991)."""

    def load(self) -> Samples:
        """Return inputs (178, 13) float32."""
        bunch = datasets.load_wine()
        return Samples(_floats(bunch.data), _classes(bunch.target), num_classes=3)


class Diabetes(InMemoryData):
    """442 patients described by 10 numbers, and their disease a year later (Efron et al. 2004)."""

    problem = "regression"

    def load(self) -> Samples:
        """Return inputs (442, 10) and targets (442, 1), float32, the target from 25 to 346."""
        bunch = datasets.load_diabetes(scaled=False)
        return Samples(_floats(bunch.data), _floats(bunch.target).unsqueeze(1))


def _floats(array: object) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)


def _classes(array: object) -> Tensor:
    return torch.as_tensor(array, dtype=torch.int64)
