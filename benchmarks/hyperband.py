"""How early a pruner may stop trials: the best value found with the same number of epochs, against random and TPE.

    python benchmarks/hyperband.py                 # three tasks, five seeds; an hour
    python benchmarks/hyperband.py --epochs 30 --seeds 2
    python benchmarks/hyperband.py --only-live     # without the pruners that see points drawn at random

For each task and seed, points of a space are trained to the end once, as one program, and their curves kept. Then
each pruner sees these trials in many orders, epoch by epoch, until it has used the budget: as many epochs as
`--full` whole trials take. The figure is the regret: how far the best value found, at its best epoch, is
from the best of all points, over the distance of the median point from the best (0: found the best, 1: no better
than a point drawn at random). TPE is searched live, by itself with as many whole trials as the budget allows, and
with a pruner until the trials, in their order, have used as many epochs.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import optuna
from hardware import hardware
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

TRAIN = Path(__file__).parents[1] / "train.py"
SPACE = (
    "optimizer.lr=tag(log,interval(1e-5,1e0))",
    "optimizer.weight_decay=tag(log,interval(1e-6,1e0))",
    "regularization.dropout=interval(0,0.7)",
)
FIXED = ("trainer=cpu", "logger=csv", "~callbacks.early_stopping", "~callbacks.checkpoint")
TASKS = {
    "digits, MLP": ("data=digits", "model=mlp", "model.units=32"),
    "digits, CNN": ("data=digits", "model=cnn", "model.channels=[8]", "model.units=32"),
    "diabetes, MLP": ("data=diabetes", "model=mlp", "model.units=32", "data.batch_size=32"),
}
LIVE = {  # name → overrides, and trials at least over the whole ones of the budget
    "tpe": (("search=tpe",), 1),
    "tpe, hyperband, least 1, factor 3": (("search=hyperband",), 4),
    "tpe, hyperband, least 1/10, factor 3": (("search=hyperband", "search.pruner.min_resource={tenth}"), 4),
    "tpe, median": (("search=median",), 3),
}
Curve = list[float]


def pruners(epochs: int) -> dict[str, Callable[[], BasePruner]]:
    """Return what is compared: name → what makes it."""
    made: dict[str, Callable[[], BasePruner]] = {"random": NopPruner}
    for factor in (2, 3, 4):
        for least in sorted({max(1, epochs // share) for share in (3, 6, 9, 15, 30, 60)}):
            made[f"hyperband, least {least}, factor {factor}"] = partial(HyperbandPruner, least, epochs, factor)
            asha = partial(SuccessiveHalvingPruner, min_resource=least, reduction_factor=factor)
            made[f"asha, least {least}, factor {factor}"] = asha
    for warm in sorted({1, 3, epochs // 10, epochs // 5, epochs // 3}):
        made[f"median, after {warm}"] = partial(MedianPruner, n_startup_trials=5, n_warmup_steps=warm)
    return made


def train(folder: str, *overrides: str) -> list[dict[str, str]]:
    """Run a study; return the rows of its table."""
    command = [sys.executable, str(TRAIN), "-m", "search.study=s", *FIXED, *overrides]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with open(Path(folder) / "outputs/studies/s/trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def curves_of(folder: str, rows: list[dict[str, str]], metric: str) -> list[Curve]:
    """Return the metric of each epoch, trial by trial."""
    curves = []
    for row in rows:
        with open(Path(folder) / "outputs/studies/s" / row["folder"] / "metrics.csv", newline="") as file:
            curves.append([float(line[metric]) for line in csv.DictReader(file) if line[metric]])
    return curves


def spent_and_best(pruner: BasePruner, curves: list[Curve], order: list[int], budget: int, sign: int) -> float:
    """Return the lowest cost that a pruner has seen when the epochs are used up."""
    study = optuna.create_study(pruner=pruner, sampler=optuna.samplers.RandomSampler(0), study_name="replayed")
    used, best = 0, float("inf")
    for point in order:
        trial, least, stopped = study.ask(), float("inf"), False
        for epoch, value in enumerate(curves[point], start=1):
            used += 1
            least = min(least, sign * value)
            trial.report(sign * value, epoch)
            stopped = epoch < len(curves[point]) and trial.should_prune()
            if stopped or used == budget:
                break
        best = min(best, least)
        study.tell(trial, None if stopped else least, state=TrialState.PRUNED if stopped else TrialState.COMPLETE)
        if used == budget:
            break
    return best


def live_and_best(how: tuple[str, ...], name: str, metric: str, sign: int, whole: int, epochs: int) -> float:
    """Return the lowest cost that a search has seen when the epochs are used up."""
    overrides, times = LIVE[name]
    words = [word.format(tenth=max(1, epochs // 10)) for word in overrides]
    with tempfile.TemporaryDirectory() as folder:
        rows = train(folder, *how, "hydra/launcher=basic", *words, f"search.n_trials={times * whole}")
        curves = curves_of(folder, [row for row in rows if row["state"] != "FAIL"], metric)
    seen = list(chain(*curves))
    if len(seen) < whole * epochs:
        print(f"{name}: {len(seen)} of {whole * epochs} epochs", file=sys.stderr, flush=True)
    return min(sign * value for value in seen[: whole * epochs])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=96, help="trained to the end for each task and seed")
    parser.add_argument("--full", type=int, default=16, help="whole trials that the budget allows")
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--only-live", action="store_true", help="leave out the pruners that see random points")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    regrets: dict[str, dict[str, list[float]]] = {}
    budget = given.full * given.epochs
    for task, overrides in TASKS.items():
        for seed in range(given.seeds):
            how = (*overrides, *SPACE, f"trainer.max_epochs={given.epochs}", f"seed={seed}", f"search.seed={seed}")
            with tempfile.TemporaryDirectory() as folder:
                rows = train(
                    folder, *how, "hydra/launcher=fused", "search=random", f"search.n_trials={given.points}"
                )
                spec = json.loads((Path(folder) / "outputs/studies/s/study.json").read_text())
                metric, mode = spec["objectives"][0]["metric"], spec["objectives"][0]["mode"]
                sign = 1 if mode == "min" else -1
                curves = curves_of(folder, rows, metric)
            costs = sorted(min(sign * value for value in curve) for curve in curves)
            scale = statistics.median(costs) - costs[0]
            draw = random.Random(seed)
            orders = [draw.sample(range(len(curves)), len(curves)) for _ in range(given.orders)]
            for name, make in pruners(given.epochs).items() if not given.only_live else ():
                found = [spent_and_best(make(), curves, order, budget, sign) for order in orders]
                mean = statistics.mean((each - costs[0]) / scale for each in found)
                regrets.setdefault(name, {}).setdefault(task, []).append(mean)
            for name in LIVE:
                found_live = live_and_best(how, name, metric, sign, given.full, given.epochs)
                regrets.setdefault(name, {}).setdefault(task, []).append((found_live - costs[0]) / scale)
            print(f"{task}, seed {seed}: {len(curves)} curves", file=sys.stderr, flush=True)
    print(f"{'':38}" + "".join(f"{task:>16}" for task in TASKS) + f"{'mean':>9}")
    means = {name: statistics.mean(chain(*by_task.values())) for name, by_task in regrets.items()}
    for name in sorted(means, key=means.__getitem__):
        columns = "".join(f"{statistics.mean(values):16.3f}" for values in regrets[name].values())
        print(f"{name:38}{columns}{means[name]:9.3f}")
    print(f"{given.epochs} epochs, {given.seeds} seeds, budget {given.full} whole trials; {hardware()}")


if __name__ == "__main__":
    main()
