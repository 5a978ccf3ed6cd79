"""Tell two kinds of cells apart: what is left of the script is the network, and how the data are read."""

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

from lightune.data import InMemoryData, Samples
from lightune.ranges import PositiveInt


class Net(nn.Module):
    """Two hidden layers."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: PositiveInt = 32) -> None:
        super().__init__()
        inputs = input_shape[0]
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_outputs)
        )

    def forward(self, x):
        """Map x: (B, inputs) to scores (B, outputs)."""
        return self.layers(x)


class Cells(InMemoryData):
    """569 samples of tissue, 30 figures of each."""

    kind = "table"

    def load(self) -> Samples:
        """Return inputs (569, 30) float32 and classes (569,) int64."""
        inputs, targets = load_breast_cancer(return_X_y=True)
        return Samples(torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets), num_classes=2)
