"""Training as `train.py` does it, over a bare index loop and over stock Lightning.

    python benchmarks/lean.py --mnist /path/to/data
        goals: >= 0.90 of the bare loop's samples/s, >= 3 times stock Lightning's; MNIST MLP >= 1 / 1.15 of bare

`train.py`: TensorBoard, checkpoints, early stopping, metrics, all as by default. Stock: Lightning with a
DataLoader over a TensorDataset, its TensorBoardLogger, ModelCheckpoint and EarlyStopping. Training seconds only,
validation and the first epoch left out on all sides. One CPU thread, interleaved, medians of ratios.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from lightune import compose, train
from lightune.callbacks import Record
from lightune.quiet import quiet
from lightune.run import prepare

CASES = {
    "digits mlp": (["data=digits", "data.batch_size=64"], 20),
    "mnist mlp": (["experiment=mnist_mlp", "scheduler=constant"], 3),
    "mnist cnn": (["data=mnist", "model=cnn", "model.channels=[8,16]", "model.units=32"], 2),
}


class Stock(LightningModule):
    """What a tutorial writes."""

    def __init__(self, model, make_optimizer):
        super().__init__()
        self.model, self.make_optimizer = model, make_optimizer
        self.accuracy = MulticlassAccuracy(10, average="micro")

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
        return self.make_optimizer(self.parameters())


def ours(cfg):
    return train(cfg).samples_per_second


def bare(cfg, epochs):
    parts = prepare(cfg)
    loader, model = parts.data.train_dataloader(), parts.task.model
    optimizer = parts.task.make_optimizer(model.parameters())
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for rows in torch.randperm(len(loader.targets)).split(loader.batch_size):
            loss = functional.cross_entropy(model(loader.inputs[rows]), loader.targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    return len(loader.targets) * (epochs - 1) / sum(seconds[1:])


def stock(cfg, epochs, folder):
    parts = prepare(cfg)
    train_part, val_part = parts.data.train_dataloader(), parts.data.val_dataloader()
    loaders = [
        DataLoader(
            TensorDataset(part.inputs, part.targets), batch_size=part.batch_size, shuffle=part is train_part
        )
        for part in (train_part, val_part)
    ]
    record = Record("val/accuracy", "max")
    with quiet(verbose=False):
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=TensorBoardLogger(folder),
            callbacks=[
                record,
                ModelCheckpoint(monitor="val/accuracy", mode="max", save_last=True),
                EarlyStopping("val/accuracy", mode="max", patience=10),
            ],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Stock(parts.task.model, parts.task.make_optimizer), *loaders)
    return record.samples_per_second


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mnist", default="data")
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--steps", default="auto")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(tempfile.mkdtemp())
    rows = []
    for name in given.only:
        overrides, epochs = CASES[name]
        root = [f"data.root={Path(given.mnist)}"] if "mnist" in name else []
        steps = f"trainer.steps_per_execution={given.steps}"
        cfg = compose(["trainer=cpu", *overrides, *root, steps, f"trainer.max_epochs={epochs}", "test=false"])
        figures = []
        for repeat in range(given.repeats):
            seed_everything(repeat, verbose=False)
            figures.append((ours(cfg), bare(cfg, epochs), stock(cfg, epochs, f"stock{repeat}")))
        rows.append(
            (
                name,
                *(statistics.median(column) for column in zip(*figures, strict=True)),
                statistics.median(a / b for a, b, _ in figures),
                statistics.median(a / c for a, _, c in figures),
            )
        )
    print(f"{'case':12} {'train.py/s':>10} {'bare/s':>8} {'stock/s':>8} {'of bare':>8} {'over stock':>10}")
    for name, one, two, three, of_bare, over_stock in rows:
        print(f"{name:12} {one:10.0f} {two:8.0f} {three:8.0f} {of_bare:8.2f} {over_stock:10.2f}")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, {date.today()}")


if __name__ == "__main__":
    main()
