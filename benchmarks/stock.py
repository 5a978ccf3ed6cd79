"""The Lightning module of a tutorial, which other benchmarks measure lightune against.

This module imports nothing of lightune: it is copied beside programs that are written as their users write.
"""

import itertools

from pytorch_lightning import LightningModule
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy


class Classifier(LightningModule):
    """Classes, cross-entropy, accuracy.

    Args:
        model: maps inputs (B, …) to outputs (B, classes).
        make_optimizer: makes an optimizer of parameters.
        classes: how many there are.
    """

    def __init__(self, model, make_optimizer, classes=10):
        super().__init__()
        self.model, self._make_optimizer = model, make_optimizer
        self.accuracy = MulticlassAccuracy(classes, average="micro")

    def training_step(self, batch, batch_idx):
        loss = functional.cross_entropy(self.model(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        outputs = self.model(batch[0])
        self.accuracy(outputs, batch[1])
        self.log("val/loss", functional.cross_entropy(outputs, batch[1]))
        self.log("val/accuracy", self.accuracy)

    def configure_optimizers(self):
        return self._make_optimizer(self.parameters())


def loaders(train, val, batch_size):
    """Return loaders of the training part, shuffled, and of the validation part; parts: (inputs, targets)."""
    return (
        DataLoader(TensorDataset(*train), batch_size=batch_size, shuffle=True),
        DataLoader(TensorDataset(*val), batch_size=batch_size),
    )


def digits_network():
    """Return an MLP 64-128-128-10."""
    sizes = (64, 128, 128)
    hidden = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], 10))
