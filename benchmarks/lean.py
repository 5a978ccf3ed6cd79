"""Training as `train.py` does it, over a bare index loop and over stock Lightning.

    python benchmarks/lean.py --data /path/to/data
        goals: >= 0.90 of the bare loop's samples/s, >= 3 times stock Lightning's; MNIST MLP >= 1 / 1.15 of bare

`train.py`: TensorBoard, checkpoints, early stopping, metrics, all as by default. Stock: Lightning with a
DataLoader over a TensorDataset, its TensorBoardLogger, ModelCheckpoint and EarlyStopping. Training seconds only,
validation and the first epoch left out on all sides. One CPU thread, interleaved, medians of ratios, by the clock
on the wall and by the processor's, which other programs do not disturb.
"""

import argparse
import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from hardware import hardware
from hydra.utils import get_class
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from stock import Classifier, loaders
from torch.nn import functional

from lightune import compose, train
from lightune.callbacks import Record
from lightune.run import prepare
from lightune.runtime.quiet import quiet

CASES = {
    "digits mlp": (["data=digits", "data.batch_size=64"], 20),
    "mnist mlp": (["experiment=mnist_mlp", "scheduler=constant"], 3),
    "mnist cnn": (["data=mnist", "model=cnn", "model.channels=[8,16]", "model.units=32"], 2),
    "text_mean": (["data=text_csv"], 10),
    "text_lstm": (["data=text_csv", "model=text_lstm"], 5),
    "audio_cnn": (["data=audio_folder"], 5),
    "resnet": (["data=digits", "model=resnet"], 4),
}

TRAINING_SAMPLES = 51_000  # of MNIST, after 15 % for validation


def plain_optimizer(node, parameters, **how):
    settings = {key: value for key, value in node.items() if not key.startswith("_")}
    return get_class(node._target_)(parameters, **settings, **how)


class CpuRecord(Record):
    """The same figures in the processor's time; a class of its own, as Lightning takes one callback of each."""

    def __init__(self, metric, mode):
        super().__init__(metric, mode, clock=time.process_time)


def ours(cfg):
    cpu = CpuRecord(cfg.monitor.metric, cfg.monitor.mode)
    return train(cfg, watchers=[cpu]).samples_per_second, cpu.samples_per_second


@contextmanager
def as_without_lightning():
    """Each optimizer step asks for a GPU, which Lightning makes slow; a loop without it does not pay for that."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    yield
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"


def bare(cfg, epochs, **how):
    parts = prepare(cfg)
    loader, model = parts.data.train_dataloader(), parts.task.model
    optimizer = plain_optimizer(cfg.optimizer, model.parameters(), **how)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter(), time.process_time()
        for rows in torch.randperm(len(loader.targets)).split(loader.batch_size):
            loss = functional.cross_entropy(model(loader.inputs[rows]), loader.targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return tuple(len(loader.targets) * (epochs - 1) / sum(column[1:]) for column in zip(*seconds, strict=True))


def stock(cfg, epochs, folder):
    parts = prepare(cfg)
    train_part, val_part = parts.data.train_dataloader(), parts.data.val_dataloader()
    batches = [loaders((p.inputs, p.targets), (p.inputs, p.targets), p.batch_size) for p in (train_part, val_part)]
    records = [kind("val/accuracy", "max") for kind in (Record, CpuRecord)]
    with quiet(verbose=False):
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=TensorBoardLogger(folder),
            callbacks=[
                *records,
                ModelCheckpoint(monitor="val/accuracy", mode="max", save_last=True),
                EarlyStopping("val/accuracy", mode="max", patience=10),
            ],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        make_optimizer = partial(plain_optimizer, cfg.optimizer)
        module = Classifier(parts.task.model, make_optimizer, parts.data.num_classes)
        trainer.fit(module, batches[0][0], batches[1][1])
    return tuple(record.samples_per_second for record in records)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", default="data", help="folder that holds MNIST, as data.root")
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--steps", default="auto")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(tempfile.mkdtemp())
    rows = []
    for name in given.only:
        overrides, epochs = CASES[name]
        root = [f"data.root={Path(given.data)}"] if "mnist" in name else []
        steps = f"trainer.steps_per_execution={given.steps}"
        cfg = compose(["trainer=cpu", *overrides, *root, steps, f"trainer.max_epochs={epochs}", "test=false"])
        figures = []
        for repeat in range(given.repeats):
            seed_everything(repeat, verbose=False)
            with as_without_lightning():
                loops = bare(cfg, epochs), bare(cfg, epochs, fused=True)
            figures.append((ours(cfg), *loops, stock(cfg, epochs, f"stock{repeat}")))
        for place, clock in enumerate(("wall", "cpu")):
            own = [[pair[place] for pair in figure] for figure in figures]
            speeds = [statistics.median(column) for column in zip(*own, strict=True)]
            ratios = [[figure[0] / other for other in figure[1:]] for figure in own]
            rows.append(
                (name, clock, *speeds, *(statistics.median(column) for column in zip(*ratios, strict=True)))
            )
    print(f"{'samples/s':10} {'clock':5} {'train.py':>8} {'bare':>8} {'fused*':>8} {'stock':>8}", end="")
    print(f" {'/ bare':>8} {'/ fused*':>8} {'/ stock':>8}")
    for name, clock, *figures in rows:
        print(f"{name:10} {clock:5}", *(f"{speed:8.0f}" for speed in figures[:4]), end="")
        print("", *(f"{ratio:8.2f}" for ratio in figures[4:]))
    for name, clock, *figures in rows:
        if name.startswith("mnist"):
            own, plain = (TRAINING_SAMPLES / speed for speed in figures[:2])
            print(f"{name}, {clock}: {own:.2f} s an epoch, {1 / figures[4]:.2f} of the bare loop's {plain:.2f} s")
    print("* the bare loop with torch's fused optimizer, which train.py takes by itself")
    print(f"one thread; {hardware()}")


if __name__ == "__main__":
    main()
