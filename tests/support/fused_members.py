"""Members to train fused, the same ones trained alone by the real task and trainer, and programs to kill."""

import copy
import csv
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import epoch_watch
import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import Callback, seed_everything
from torch.optim.lr_scheduler import ConstantLR

from lightune.augmentation import Augmentation
from lightune.config.trust import read_environment
from lightune.data import CSV, InMemoryData, Samples, TextCSV
from lightune.engine.fused.loop import Computation, FusedLoop, LoopHooks, Member
from lightune.losses import CrossEntropy
from lightune.metrics import ClassificationMetrics
from lightune.models import MLP
from lightune.regularization import Regularization
from lightune.tasks import SupervisedTask
from lightune.validation import Holdout

SAMPLES, SHAPE, CLASSES, BATCH = 150, (1, 6, 6), 3, 10
SMALL = ("trainer=cpu", "trainer.precision=64-true", "model.units=16", "output_root=out")
SWEPT = ("trainer=cpu", "trainer.precision=64-true", "trainer.max_epochs=4", "model.units=16")
HALVING = "search.pruner={_target_:optuna.pruners.SuccessiveHalvingPruner,min_resource:1,reduction_factor:2}"
TRAIN = Path(__file__).parents[2] / "train.py"


def killed_in_epoch(epoch, *overrides):
    """Let `train.py` be killed at the end of an epoch, from 0, before anything of that epoch is saved.

    The overrides turn `epoch_watch` on. It is a process of its own: autograd works in no fork of a process where
    it has worked already.
    """
    command = [sys.executable, str(TRAIN), *overrides]
    told = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent), epoch_watch.KILLED_IN: str(epoch)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **told})
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr


@pytest.fixture
def _watched_epochs(monkeypatch):
    """Let configurations name what watches epochs, and the data of this module."""
    monkeypatch.setenv("LIGHTUNE_TRUST", "epoch_watch,fused_members")
    read_environment()


class Blobs(InMemoryData):
    """150 small images of three kinds; ten training batches of ten and one of five."""

    kind = "image"

    def load(self):
        noise = torch.Generator().manual_seed(0)
        targets = torch.arange(SAMPLES) % CLASSES
        inputs = torch.randn(SAMPLES, *SHAPE, generator=noise)
        inputs[:, 0, 0, :3] += torch.nn.functional.one_hot(targets, CLASSES) * 2.0
        return Samples(inputs, targets, num_classes=CLASSES)


class Values(Blobs):
    """The same images with a value to predict."""

    problem = "regression"

    def load(self):
        samples = super().load()
        return Samples(samples.inputs, samples.inputs.sum(dim=(1, 2, 3)).unsqueeze(1) * 40 + 150)


class Pairs(Blobs):
    """The same images of two kinds."""

    def load(self):
        samples = super().load()
        return Samples(samples.inputs, (samples.targets > 0).long(), num_classes=2)


WORDS, LONGEST = 9, 7


class Words(TextCSV):
    """150 texts of one to seven of nine tokens, of three kinds."""

    def load(self):
        noise = torch.Generator().manual_seed(0)
        targets = torch.arange(SAMPLES) % CLASSES
        tokens = torch.randint(0, WORDS, (SAMPLES, LONGEST), generator=noise, dtype=torch.int32)
        tokens[:, 0] = targets
        lengths = torch.randint(1, LONGEST + 1, (SAMPLES, 1), generator=noise)
        tokens[torch.arange(LONGEST) >= lengths] = -1
        return Samples(tokens, targets, num_classes=CLASSES, schema={"vocabulary": [*map(str, range(WORDS))]})


class Cells(CSV):
    """150 rows of two numbers and two categories, of three kinds."""

    def load(self):
        noise = torch.Generator().manual_seed(0)
        targets = torch.arange(SAMPLES) % CLASSES
        numbers = torch.randn(SAMPLES, 2, generator=noise, dtype=torch.float64)
        numbers[:, 0] += targets
        categories = torch.stack(
            [(targets + torch.arange(SAMPLES) % 2) % CLASSES, torch.arange(SAMPLES) % 2], dim=1
        )
        kinds = [{"kind": "numeric", "categories": []}] * 2
        kinds += [{"kind": "categorical", "categories": [*"abc"[:count]]} for count in (CLASSES, 2)]
        columns = [{"name": str(place), **kind} for place, kind in enumerate(kinds)]
        rows = torch.cat([numbers, categories], dim=1)
        return Samples(rows, targets, num_classes=CLASSES, schema={"columns": columns})


class LargeImages(InMemoryData):
    """300 images of three kinds, so large that folds share them: scaled copies of four folds take 59 MB."""

    kind = "image"

    def load(self):
        noise = torch.Generator().manual_seed(0)
        targets = torch.arange(300) % CLASSES
        inputs = torch.randn(300, 3, 64, 64, generator=noise)
        inputs[:, 0, 0, :3] += torch.nn.functional.one_hot(targets, CLASSES) * 20.0
        return Samples(inputs, targets, num_classes=CLASSES)


class LargeValues(LargeImages):
    """The same images with a value to predict."""

    problem = "regression"

    def load(self):
        samples = super().load()
        return Samples(samples.inputs, samples.inputs[:, 0, 0].sum(dim=1, keepdim=True) * 40 + 150)


def blobs(seed, data=Blobs, batch_size=BATCH, divided=Holdout, fold=0, augmentation=None):
    made = data(batch_size=batch_size)
    made.augment(augmentation or Augmentation())
    split = divided().splits(made.rows, seed=seed, test_seed=seed)[fold]
    made.divide(split, seed=seed)
    return made


def adamw(**numbers):
    return partial(torch.optim.AdamW, **numbers)


class Spec(SimpleNamespace):
    """What one member is made of; `member()` makes it anew, with the same weights each time."""

    def __init__(self, seed=0, **parts):
        defaults = {
            "model": partial(MLP, SHAPE, CLASSES, layers=2, units=8),
            "optimizer": adamw(lr=1e-2),
            "scheduler": partial(ConstantLR, factor=1.0),
            "regularization": Regularization(),
            "loss": CrossEntropy,
            "metrics": ClassificationMetrics(CLASSES),
            "data": Blobs,
            "classes": CLASSES,
            "batch_size": BATCH,
            "divided": Holdout,
            "fold": 0,
            "augmentation": None,
        }
        assert parts.keys() <= defaults.keys(), parts
        super().__init__(seed=seed, **{**defaults, **parts})

    def member(self):
        data = blobs(self.seed, self.data, self.batch_size, self.divided, self.fold, self.augmentation)
        seed_everything(self.seed, verbose=False)
        task = SupervisedTask(
            self.model(),
            self.loss(),
            self.optimizer,
            self.scheduler,
            self.metrics,
            self.regularization,
            num_classes=self.classes,
            target_scaler=data.target_scaler,
        )
        return Member(task, data, self.seed, self.regularization.gradient_clip)


class Watch(Callback):
    """Note the loss and the first samples of each step, and the measures and the learning rate of each epoch."""

    def __init__(self):
        self.losses, self.rows, self.epochs, self.rates = [], [], [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        penalty = 0.0 if self.penalty is None else self.penalty.item()
        self.losses.append(outputs["loss"].item() - penalty)
        self.rows.append(batch[0].detach().clone())

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.penalty = pl_module.regularization.penalty(pl_module.model)
        self.penalty = None if self.penalty is None else self.penalty.detach()

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append({name: value.item() for name, value in trainer.callback_metrics.items()})


def group_of(*variants):
    """Return configurations of small trainings that differ in numbers, and the group that they are.

    Args:
        variants: key → value of each, beside what all of them have.
    """
    from lightune import compose
    from lightune.training.fused.planner import Group, StructureCache, build_member

    shared = ["trainer=cpu", "data=wine", "model.units=4", "trainer.max_epochs=2", "test=false"]
    base, known = (
        compose([*shared, "trainer.precision=64-true", "callbacks.checkpoint.every_seconds=0"]),
        StructureCache(),
    )
    cfgs = []
    for variant in variants:
        cfgs.append(copy.deepcopy(base))
        for key, value in variant.items():
            OmegaConf.update(cfgs[-1], key, value)
    built = [build_member(cfg, known) for cfg in cfgs]
    return cfgs, Group(
        list(range(len(cfgs))), [member for member, _ in built], [parts for _, parts in built], known
    )


@pytest.fixture
def alone(fit):
    """Train the members of some specs one by one in double precision; returns what was seen, and them."""

    def run(specs, epochs, **settings):
        told = []
        for spec in specs:
            member, watch = spec.member(), Watch()
            seed_everything(spec.seed, verbose=False)
            fit(
                member.task,
                datamodule=member.data,
                epochs=epochs,
                callbacks=[watch, *settings.get("callbacks", list)()],
                precision=settings.get("precision", "64-true"),
                gradient_clip_val=member.gradient_clip,
            )
            told.append((watch, member))
        return told

    return run


@pytest.fixture
def fused():
    """Train the members of some specs as one group in double precision; returns what was watched, and them."""

    def run(specs, epochs, *, stops=None, block_width=None):
        members = [spec.member() for spec in specs]
        watches = {member: Watch() for member in members}

        def on_round_start(active):
            for member in active:
                watches[member].rates.append(loop.schedule_of(member).lr)

        def on_step(rows, losses):
            for member, loss in zip(rows, losses.tolist(), strict=True):
                if member.is_active:
                    watches[member].losses.append(loss)

        def on_epoch_end(end):
            watches[end.member].epochs.append(end.measures)
            return stops(end) if stops else False

        hooks = LoopHooks(on_round_start=on_round_start, on_step=on_step, on_epoch_end=on_epoch_end)
        loop = FusedLoop(
            members, max_epochs=epochs, hooks=hooks, computation=Computation(torch.float64, "cpu", block_width)
        )
        train_to_the_end(loop)
        return [(watches[member], member) for member in members]

    return run


def train_to_the_end(loop):
    """Train a group, round by round, until every member has ended."""
    while loop.active:
        loop.round()


@pytest.fixture
def study(tmp_path, monkeypatch, capfd):
    """Run a study in this process; return its folder, its exit code, and what was said."""
    monkeypatch.chdir(tmp_path)
    from lightune.cli import train

    def run(*overrides, name="s", launcher="fused", main=train.main):
        given = arguments(*overrides, name=name, launcher=launcher) if main is train.main else overrides
        monkeypatch.setattr(sys, "argv", ["train.py", *given])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return tmp_path / "out" / "studies" / name, code, "".join(capfd.readouterr())

    return run


def arguments(*overrides, name="s", launcher="fused"):
    return ["-m", f"hydra/launcher={launcher}", f"search.study={name}", *SMALL, *overrides]


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Run a multirun of Hydra's own sweeper here; return its folder, its exit code, and what was said."""
    monkeypatch.chdir(tmp_path)
    from lightune.cli import train
    from lightune.run import TrainingError

    def run(launcher, *overrides):
        monkeypatch.setattr(sys, "argv", ["train.py", *sweep_arguments(launcher, *overrides)])
        code = 0
        try:
            train.main()
        except SystemExit as stop:
            code = stop.code or 0
        except TrainingError:
            code = 1
        return tmp_path / "outputs" / "studies" / launcher / "trials", code, "".join(capsys.readouterr())

    return run


def sweep_arguments(launcher, *overrides):
    chosen = ("hydra/sweeper=basic", f"hydra/launcher={launcher}", f"hydra.sweep.dir=outputs/studies/{launcher}")
    return ["-m", *chosen, *SWEPT, *overrides]


def rows(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def told(folder, number):
    return json.loads((folder / "trials" / str(number) / "result.json").read_text())


def reports(folder):
    """Return what each trial has reported, as Optuna recorded it."""
    from lightune.study.storage.backends import open_storage

    storage = open_storage(None, folder)
    (known,) = storage.get_all_studies()
    return [trial.intermediate_values for trial in storage.get_all_trials(known._study_id)]
