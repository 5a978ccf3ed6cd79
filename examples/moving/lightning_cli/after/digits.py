"""Handwritten digits: a LightningModule and a LightningDataModule, as LightningCLI starts them."""

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Classifier(LightningModule):
    """A small network that says which digit it sees."""

    def __init__(self, width: int = 64, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    def _step(self, batch, stage):
        x, y = batch
        scores = self.net(x)
        loss = nn.functional.cross_entropy(scores, y)
        self.log(f"{stage}_loss", loss, on_step=False, on_epoch=True)
        self.log(f"{stage}_acc", (scores.argmax(dim=1) == y).float().mean(), on_step=False, on_epoch=True)
        return loss, scores

    def training_step(self, batch, batch_idx):
        """Return the loss of a batch."""
        return self._step(batch, "train")[0]

    def validation_step(self, batch, batch_idx):
        """Measure a batch."""
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        """Measure a batch, and tell what is predicted."""
        return self._step(batch, "test")[1].softmax(dim=1)

    def configure_optimizers(self):
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class Digits(LightningDataModule):
    """1797 digits of 8x8 pixels, which come with scikit-learn."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        """Divide the samples."""
        x, y = load_digits(return_X_y=True)
        whole = TensorDataset(torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y))
        seed = torch.Generator().manual_seed(0)
        self.train, self.val, self.test = random_split(whole, [0.7, 0.15, 0.15], generator=seed)

    def train_dataloader(self):
        """Return shuffled batches."""
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        """Return batches to choose by."""
        return DataLoader(self.val, 512)

    def test_dataloader(self):
        """Return batches to judge by."""
        return DataLoader(self.test, 512)
