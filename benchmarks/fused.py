"""Many trainings as one program, over the same trainings one after the other.

    python benchmarks/fused.py                  over bare index loops
    python benchmarks/fused.py --repeats 9 --epochs 5
    python benchmarks/fused.py --lean           over runs of `train.py`; goals for 32: >= 6 (h = 32), >= 3.5
                                                (h = 128), >= 3 (tabular_resnet); one member takes <= 1.10 of a
                                                run
    python benchmarks/fused.py --memory         peak over members x state + one batch each, goal: <= 1.2

Digits, MLP 64-h-h-10, AdamW, batch 64, one CPU thread; networks for tables and texts on the samples that come with
lightune. Trials differ in learning rate and seed. Bare loops and programs are timed by their training steps:
forward, backward, update, and measures of the training part; runs of `train.py` by their training seconds, without
validation and without the first epoch. Interleaved; the figure is the median of the ratios.
"""

import argparse
import contextlib
import gc
import io
import os
import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from hardware import hardware
from pytorch_lightning import seed_everything
from torch.nn import functional
from torch.optim.lr_scheduler import ConstantLR

from lightune import compose, train
from lightune.callbacks import Record
from lightune.data import CSV, Digits, TextCSV
from lightune.engine.fused.loop import FusedLoop, Member
from lightune.losses import CrossEntropy
from lightune.metrics import ClassificationMetrics
from lightune.models import (
    CNN,
    MLP,
    FTTransformer,
    ResNet,
    TabularResNet,
    TextLSTM,
    TextMean,
    TextTransformer,
)
from lightune.regularization import Regularization
from lightune.tasks import SupervisedTask
from lightune.validation import Holdout

GOALS = {"mlp 32": 6.0, "mlp 128": 3.5, "tabular_resnet": 3.0}
NETWORKS = {
    "mlp 32": partial(MLP, layers=2, units=32),
    "mlp 128": partial(MLP, layers=2, units=128),
    "mlp 256": partial(MLP, layers=2, units=256),
    "mlp 512": partial(MLP, layers=2, units=512),
    "cnn": partial(CNN, channels=[8, 16], units=32),
    "resnet": partial(ResNet, channels=[4, 8], blocks=1),
    "tabular_resnet": TabularResNet,
    "ft_transformer": FTTransformer,
    "text_mean": TextMean,
    "text_lstm": TextLSTM,
    "text_transformer": TextTransformer,
}
EMBEDDED = {
    "tabular_resnet": ["data=csv", "data.categories=embedding"],
    "ft_transformer": ["data=csv", "data.categories=embedding"],
    **{name: ["data=text_csv"] for name in ("text_mean", "text_lstm", "text_transformer")},
}
LEAN = {
    **{f"mlp {units}": ["model=mlp", "model.layers=2", f"model.units={units}"] for units in (32, 128, 256, 512)},
    "cnn": ["model=cnn", "model.channels=[8,16]", "model.units=32"],
    "resnet": ["model=resnet", "model.channels=[4,8]", "model.blocks=1"],
    **{name: [*data, f"model={name}"] for name, data in EMBEDDED.items()},
}


def members(network, data, count):
    made = []
    sizes = {"cardinalities": data.cardinalities} if any(data.cardinalities) else {}
    for index in range(count):
        seed_everything(index, verbose=False)
        optimizer = partial(torch.optim.AdamW, lr=1e-3 * (1 + index / count))
        task = SupervisedTask(
            network(data.input_shape, data.num_classes, **sizes),
            CrossEntropy(),
            optimizer,
            partial(ConstantLR, factor=1.0),
            ClassificationMetrics(data.num_classes),
            Regularization(),
            num_classes=data.num_classes,
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
    """Train the same steps as one group; return seconds and the mean of the last losses."""
    loop = FusedLoop(group, max_epochs=epochs)
    loop.train_epoch()  # records the programs
    began = time.perf_counter()
    for _ in range(epochs):
        measures = loop.train_epoch()
    return time.perf_counter() - began, statistics.mean(measures["train/loss"])


def compare(name, count, repeats, epochs):
    data = samples_of(name)
    ratios, ours, theirs = [], [], []
    for _ in range(repeats):
        together = fused(members(NETWORKS[name], data, count), epochs)[0]
        apart = sum(bare(member, epochs)[0] for member in members(NETWORKS[name], data, count))
        ratios.append(apart / together)
        ours.append(together)
        theirs.append(apart)
    return statistics.median(ratios), statistics.median(ours), statistics.median(theirs)


def lean(name, epochs, folder):
    """Train the first member as `train.py` does; return seconds an epoch, by the wall and by the processor."""
    overrides = ["trainer=cpu", "data.batch_size=64", f"trainer.max_epochs={epochs}", "test=false"]
    overrides += [f"output_root={folder}", *LEAN[name]]
    clocks = [Clock("val/loss", "min"), CpuClock("val/loss", "min")]
    with contextlib.redirect_stdout(io.StringIO()):
        train(compose(overrides), watchers=clocks)
    return [(clock.train_seconds - clock.first) / (epochs - 1) for clock in clocks]


def together(name, data, count, epochs):
    """Train members as a group; return seconds an epoch, by the wall and by the processor."""
    loop = FusedLoop(members(NETWORKS[name], data, count), max_epochs=epochs)
    loop.train_epoch()
    began = time.perf_counter(), time.process_time()
    for _ in range(1, epochs):
        loop.train_epoch()
    ended = time.perf_counter(), time.process_time()
    return [(now - then) / (epochs - 1) for now, then in zip(ended, began, strict=True)]


class Clock(Record):
    """Training seconds, those of the first epoch by themselves."""

    @property
    def first(self):
        return self._first[1]


class CpuClock(Clock):
    """The same in the processor's time; a class of its own, as Lightning takes one callback of each."""

    def __init__(self, metric, mode):
        super().__init__(metric, mode, clock=time.process_time)


def over_lean(names, repeats, epochs):
    """Print the time of runs of `train.py`, one after the other, over that of the same as one program."""
    print(f"{'network':16} {'members':>7} {'fused ms':>9} {'a run ms':>9} {'wall':>6} {'cpu':>6}  an epoch, goal")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            data = samples_of(name)
            for count in (1, 8, 32):
                pairs = [(together(name, data, count, epochs), lean(name, epochs, folder)) for _ in range(repeats)]
                wall, cpu = (statistics.median(count * run[c] / group[c] for group, run in pairs) for c in (0, 1))
                group, run = (statistics.median(pair[side][0] for pair in pairs) * 1e3 for side in (0, 1))
                goal = goal_of(name, count)
                print(f"{name:16} {count:7} {group:9.1f} {run:9.1f} {wall:6.2f} {cpu:6.2f}  {goal}", flush=True)


def goal_of(name, count):
    return f">= {GOALS[name]}" if count == 32 and name in GOALS else (">= 0.91" if count == 1 else "")


def memory(names, count):
    """Print the peak memory of a group over what its members' states and batches take, each in its own process."""
    print(f"{'network':16} {'members':>7} {'MiB':>8} {'state':>8} {'ratio':>6}  goal <= 1.2")
    for name in names:
        if (child := os.fork()) == 0:
            _measure_memory(name, count)
            os._exit(0)
        os.waitpid(child, 0)


def _measure_memory(name, count):
    data = samples_of(name)
    warm = FusedLoop(members(NETWORKS[name], data, 2), max_epochs=1)
    warm.round()  # what torch loads and keeps for any program
    group = members(NETWORKS[name], data, count)
    parameters = sum(p.nbytes for p in group[0].task.model.parameters())
    x, _ = next(iter(data.train_dataloader()))
    state = count * (4 * parameters + x.nbytes)  # parameters, gradients, two moments
    del warm
    gc.collect()
    before = _resident("VmRSS") - count * parameters  # the networks' own are given up for the stack
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    loop = FusedLoop(group, max_epochs=2)
    loop.round()
    loop.round()
    peak = _resident("VmHWM") - before
    line = f"{name:16} {count:7} {peak / 2**20:8.1f} {state / 2**20:8.1f} {peak / state:6.2f}"
    print(line, flush=True)


def _resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def samples_of(name):
    """Return the data that a network is measured on."""
    kinds = {"data=csv": partial(CSV, categories="embedding"), "data=text_csv": TextCSV, "data=digits": Digits}
    data = kinds[EMBEDDED.get(name, ["data=digits"])[0]](batch_size=64)
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    return data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--members", type=int, default=32, help="of the group whose memory is measured")
    parser.add_argument("--lean", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.lean or given.memory:
        if given.lean:
            over_lean(given.only, given.repeats, max(given.epochs, 10))
        if given.memory:
            memory(given.only, given.members)
        print(f"one thread; {hardware()}")
        return
    print(f"{'network':16} {'members':>7} {'fused s':>8} {'bare s':>8} {'bare/fused':>10}")
    for name in given.only:
        for count in (1, 8, 32):
            ratio, ours, theirs = compare(name, count, given.repeats, given.epochs)
            print(f"{name:16} {count:7} {ours:8.3f} {theirs:8.3f} {ratio:10.2f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process {peak:.0f} MiB")
    print(f"one thread; {hardware()}")


if __name__ == "__main__":
    main()
