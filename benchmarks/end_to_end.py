"""A whole study from the command line, start-up included, against what one would use instead.

    python benchmarks/end_to_end.py                      # 64 trials; goals: fused >= 6 times stock
    python benchmarks/end_to_end.py --trials 256         # goal: >= 8
    python benchmarks/end_to_end.py --hyperband          # both prune; goal: >= 2.5
    python benchmarks/end_to_end.py --trials 8 --only fused stock

Digits, MLP 64-128-128-10, AdamW, batch 64, 20 epochs, learning rate and weight decay searched at random, no early
stopping, curves and checkpoints on, one thread a process, on a CPU. The others are written as their users write
them: Hydra, Lightning with its TensorBoardLogger and ModelCheckpoint, a DataLoader, Optuna's sweeper; with
Hyperband, Optuna alone, with its pruner. Each is a process of its own; the time of all its processes is taken.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import stock as stock_module
from hardware import hardware

TRAIN = Path(__file__).parents[1] / "train.py"
EPOCHS = 20
GOALS = {64: 6.0, 256: 8.0}
HYPERBAND_GOAL = 2.5

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: optuna
  - override hydra/sweeper/sampler: random
lr: 1e-3
weight_decay: 1e-2
batch_size: 64
epochs: 20
seed: 0
hydra:
  sweeper:
    direction: maximize
    n_jobs: 1
"""

NETWORK = """
from functools import partial

import stock_module
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def classifier(lr, weight_decay):
    make_optimizer = partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay)
    return stock_module.Classifier(stock_module.digits_network(), make_optimizer)


def loaders(batch_size, seed):
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    rest, _ = train_test_split(range(len(y)), test_size=0.15, random_state=seed, stratify=y)
    train, val = train_test_split(rest, test_size=0.15 / 0.85, random_state=seed, stratify=y[rest])
    return stock_module.loaders((x[train], y[train]), (x[val], y[val]), batch_size)
"""

STOCK = """
import hydra
from hydra.core.hydra_config import HydraConfig
from network import classifier, loaders
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger


@hydra.main(config_path=".", config_name="config", version_base=None)
def main(cfg):
    seed_everything(cfg.seed, verbose=False)
    folder = HydraConfig.get().runtime.output_dir
    checkpoint = ModelCheckpoint(monitor="val/accuracy", mode="max", save_last=True)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=cfg.epochs,
        logger=TensorBoardLogger(folder),
        callbacks=[checkpoint],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier(cfg.lr, cfg.weight_decay), *loaders(cfg.batch_size, cfg.seed))
    return checkpoint.best_model_score.item()


if __name__ == "__main__":
    main()
"""

PRUNED = """
import sys

import optuna
from network import classifier, loaders
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

EPOCHS, TRIALS = int(sys.argv[1]), int(sys.argv[2])


class Pruning(Callback):
    def __init__(self, trial):
        self.trial = trial

    def on_validation_end(self, trainer, pl_module):
        if trainer.sanity_checking:
            return
        self.trial.report(trainer.callback_metrics["val/accuracy"].item(), trainer.current_epoch + 1)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def objective(trial):
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    weight_decay = trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True)
    seed_everything(0, verbose=False)
    checkpoint = ModelCheckpoint(monitor="val/accuracy", mode="max", save_last=True)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        logger=TensorBoardLogger("runs", version=trial.number),
        callbacks=[checkpoint, Pruning(trial)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier(lr, weight_decay), *loaders(64, 0))
    return checkpoint.best_model_score.item()


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
    storage="sqlite:///study.db",
)
study.optimize(objective, n_trials=TRIALS)
print("best value:", study.best_value)
"""


def lightune(launcher: str, search: str, trials: int, epochs: int) -> list[str]:
    return [
        *(str(TRAIN), "-m", f"hydra/launcher={launcher}", f"search={search}", f"search.n_trials={trials}"),
        *("data=digits", "data.batch_size=64", "model=mlp", "model.layers=2", "model.units=128"),
        *("optimizer=adamw", "trainer=cpu", f"trainer.max_epochs={epochs}", "~callbacks.early_stopping"),
        *("optimizer.lr=tag(log,interval(1e-4,1e-1))", "optimizer.weight_decay=tag(log,interval(1e-5,1e-1))"),
    ]


def stock(trials: int, epochs: int) -> list[str]:
    space = ["lr=tag(log,interval(1e-4,1e-1))", "weight_decay=tag(log,interval(1e-5,1e-1))"]
    return ["stock.py", "-m", f"epochs={epochs}", f"hydra.sweeper.n_trials={trials}", *space]


def contenders(trials: int, epochs: int, *, hyperband: bool) -> dict[str, list[str]]:
    """Return name → command; the first is ours, fused, and the last is what one would use instead."""
    search = "hyperband" if hyperband else "random"
    other = ["pruned.py", str(epochs), str(trials)] if hyperband else stock(trials, epochs)
    return {
        "fused": lightune("fused", search, trials, epochs),
        "local": lightune("local", search, trials, epochs),
        "stock": other,
    }


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in a folder of its own; return its seconds on the wall and of the processor."""
    folder.mkdir()
    for name, text in (
        ("config.yaml", CONFIG),
        ("network.py", NETWORK),
        ("stock_module.py", Path(stock_module.__file__).read_text()),
        ("stock.py", STOCK),
        ("pruned.py", PRUNED),
    ):
        (folder / name).write_text(text)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with (folder / "said.txt").open("w") as said:
        run = subprocess.run(
            [sys.executable, *command], cwd=folder, stdout=said, stderr=said, env={**os.environ, **one_thread}
        )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        sys.exit(f"{' '.join(command)} ended with {run.returncode}:\n{(folder / 'said.txt').read_text()[-3000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def best_value(folder: Path) -> str:
    """Return the best validation accuracy that a study says it has found."""
    texts = [*(file.read_text() for file in folder.rglob("best.yaml")), (folder / "said.txt").read_text()]
    found = re.search(r"\bvalue: ([0-9.]+)", "\n".join(texts))
    return f"{float(found[1]):.4f}" if found else "?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--hyperband", action="store_true", help="let both sides prune")
    parser.add_argument("--repeats", type=int, default=1, help="interleaved; the table has medians")
    parser.add_argument("--only", nargs="*", choices=("fused", "local", "stock"))
    given = parser.parse_args()
    commands = contenders(given.trials, given.epochs, hyperband=given.hyperband)
    names = [name for name in commands if name in (given.only or commands)]
    home = Path(tempfile.mkdtemp(prefix="lightune_end_to_end_"))
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for repeat in range(given.repeats):
        for name in names:
            spent[name].append(measure(commands[name], home / f"{name}_{repeat}"))
    goal = HYPERBAND_GOAL if given.hyperband else GOALS.get(given.trials)
    how = "Hyperband" if given.hyperband else "random search"
    print(f"{given.trials} trials of {given.epochs} epochs, {how}{f'; goal: fused >= {goal}' if goal else ''}")
    print(f"{'':6} {'wall s':>8} {'cpu s':>8} {'best':>7}  {'stock / it, wall':>16} {'cpu':>6}")
    for name in names:
        wall, cpu = (statistics.median(column) for column in zip(*spent[name], strict=True))
        ratios = ["", ""]
        if "stock" in names:
            pairs = zip(spent["stock"], spent[name], strict=True)
            quotients = [(other[0] / own[0], other[1] / own[1]) for other, own in pairs]
            ratios = [f"{statistics.median(column):.2f}" for column in zip(*quotients, strict=True)]
        value = best_value(home / f"{name}_0")
        print(f"{name:6} {wall:8.1f} {cpu:8.1f} {value:>7}  {ratios[0]:>16} {ratios[1]:>6}", flush=True)
    print(f"one thread; {hardware()}")
    print(f"folders: {home}")


if __name__ == "__main__":
    main()
