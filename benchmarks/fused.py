"""Many trainings as one program, over the same trainings one after the other as bare index loops.

    python benchmarks/fused.py                  goals: >= 6 (h = 32), >= 3.5 (h = 128); one member <= 1.10
    python benchmarks/fused.py --repeats 9 --epochs 5

Digits, MLP 64-h-h-10, AdamW, batch 64, one CPU thread. Trials differ in learning rate and seed. Only training
steps are timed, on both sides: forward, backward, update. Interleaved; the figure is the median of the ratios.
"""

import argparse
import resource
import statistics
import time
from functools import partial

import torch
from hardware import hardware
from pytorch_lightning import seed_everything
from torch.nn import functional
from torch.optim.lr_scheduler import ConstantLR

from lightune.data import Digits
from lightune.engine.fused import FusedLoop, Member
from lightune.losses import CrossEntropy
from lightune.metrics import ClassificationMetrics
from lightune.models import CNN, MLP
from lightune.regularization import Regularization
from lightune.tasks import SupervisedTask
from lightune.validation import Holdout

GOALS = {"mlp 32": 6.0, "mlp 128": 3.5}
NETWORKS = {
    "mlp 32": partial(MLP, layers=2, units=32),
    "mlp 128": partial(MLP, layers=2, units=128),
    "mlp 512": partial(MLP, layers=2, units=512),
    "cnn": partial(CNN, channels=[8, 16], units=32),
}


def members(network, data, count):
    made = []
    for index in range(count):
        seed_everything(index, verbose=False)
        optimizer = partial(torch.optim.AdamW, lr=1e-3 * (1 + index / count))
        task = SupervisedTask(
            network((1, 8, 8), 10),
            CrossEntropy(),
            optimizer,
            partial(ConstantLR, factor=1.0),
            ClassificationMetrics(10),
            Regularization(),
            num_classes=10,
        )
        made.append(Member(task, data, index))
    return made


def bare(member, epochs):
    """Train as a hand-written loop does; return seconds and the last loss."""
    loader, task = member.data.train_dataloader(), member.task
    optimizer = task.make_optimizer(task.model.parameters())
    began = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(loader.targets))
        for rows in order.split(64):
            loss = functional.cross_entropy(task.model(loader.inputs[rows]), loader.targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - began, loss.item()


def fused(group, epochs):
    """Train the same steps together; return seconds and the mean of the last losses."""
    loop = FusedLoop(group, max_epochs=epochs, monitor="val/loss", mode="min")
    loop.record()
    began = time.perf_counter()
    for epoch in range(epochs):
        measures = loop.train_epoch(epoch)
    return time.perf_counter() - began, statistics.mean(measures["train/loss"])


def compare(name, count, repeats, epochs):
    data = Digits(batch_size=64)
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    ratios, ours, theirs = [], [], []
    for _ in range(repeats):
        together = fused(members(NETWORKS[name], data, count), epochs)[0]
        apart = sum(bare(member, epochs)[0] for member in members(NETWORKS[name], data, count))
        ratios.append(apart / together)
        ours.append(together)
        theirs.append(apart)
    return statistics.median(ratios), statistics.median(ours), statistics.median(theirs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'network':10} {'members':>7} {'fused s':>8} {'bare s':>8} {'bare/fused':>10}  goal")
    for name in given.only:
        for count in (1, 8, 32):
            ratio, ours, theirs = compare(name, count, given.repeats, given.epochs)
            goal = f">= {GOALS[name]}" if count == 32 and name in GOALS else (">= 0.91" if count == 1 else "")
            print(f"{name:10} {count:7} {ours:8.3f} {theirs:8.3f} {ratio:10.2f}  {goal}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process {peak:.0f} MiB")
    print(f"one thread; {hardware()}")


if __name__ == "__main__":
    main()
