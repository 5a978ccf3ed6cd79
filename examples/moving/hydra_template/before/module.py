"""A LightningModule and a LightningDataModule in the form of lightning-hydra-template."""

from typing import Any

import torch
from pytorch_lightning import LightningDataModule, LightningModule
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from torchmetrics import MeanMetric
from torchmetrics.classification import Accuracy


class SimpleDenseNet(nn.Module):
    """One hidden layer, with batch normalization."""

    def __init__(self, input_size: int = 13, width: int = 64, output_size: int = 3) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(input_size, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, output_size)
        )

    def forward(self, x):
        """Map x: (B, 13) to scores (B, 3)."""
        return self.model(x)


class WineLitModule(LightningModule):
    """Tell three wines apart."""

    def __init__(self, net: nn.Module, optimizer: Any, scheduler: Any, compile: bool = False) -> None:  # noqa: A002
        super().__init__()
        self.net, self.make_optimizer, self.make_scheduler = net, optimizer, scheduler
        self.criterion = nn.CrossEntropyLoss()
        self.accuracy = nn.ModuleDict(
            {stage: Accuracy(task="multiclass", num_classes=3) for stage in ("fit", "val", "test")}
        )
        self.loss = nn.ModuleDict({stage: MeanMetric() for stage in ("fit", "val", "test")})

    def forward(self, x):
        """Map x: (B, 13) to scores (B, 3)."""
        return self.net(x)

    def model_step(self, batch, stage: str):
        """Measure a batch; return its loss and the scores."""
        x, y = batch
        scores = self(x)
        loss = self.criterion(scores, y)
        self.loss[stage](loss)
        self.accuracy[stage](scores.argmax(dim=1), y)
        name = "train" if stage == "fit" else stage
        self.log(f"{name}/loss", self.loss[stage], on_step=False, on_epoch=True)
        self.log(f"{name}/acc", self.accuracy[stage], on_step=False, on_epoch=True)
        return loss, scores

    def training_step(self, batch, batch_idx):
        """Return the loss of a batch."""
        return self.model_step(batch, "fit")[0]

    def validation_step(self, batch, batch_idx):
        """Measure a batch."""
        self.model_step(batch, "val")

    def test_step(self, batch, batch_idx):
        """Measure a batch."""
        self.model_step(batch, "test")

    def configure_optimizers(self):
        """Make what the configuration names."""
        optimizer = self.make_optimizer(params=self.trainer.model.parameters())
        if self.make_scheduler is None:
            return {"optimizer": optimizer}
        scheduler = self.make_scheduler(optimizer=optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


class WineDataModule(LightningDataModule):
    """178 wines of three growers, which come with scikit-learn."""

    def __init__(self, batch_size: int = 16, num_workers: int = 0) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.data_train: Dataset | None = None

    def setup(self, stage=None):
        """Divide the samples, once."""
        if self.data_train is not None:
            return
        x, y = load_wine(return_X_y=True)
        inputs = torch.tensor(x, dtype=torch.float32)
        whole = TensorDataset((inputs - inputs.mean(dim=0)) / inputs.std(dim=0), torch.tensor(y))
        seed = torch.Generator().manual_seed(42)
        self.data_train, self.data_val, self.data_test = random_split(whole, [0.6, 0.2, 0.2], generator=seed)

    def _batches(self, dataset, shuffle=False):
        return DataLoader(dataset, self.hparams.batch_size, shuffle, num_workers=self.hparams.num_workers)

    def train_dataloader(self):
        """Return shuffled batches."""
        return self._batches(self.data_train, shuffle=True)

    def val_dataloader(self):
        """Return batches to choose by."""
        return self._batches(self.data_val)

    def test_dataloader(self):
        """Return batches to judge by."""
        return self._batches(self.data_test)
