"""What a study costs beside the trials themselves, against what one would use instead.

    python benchmarks/study.py                 # makespan and bookkeeping, three minutes or four
    python benchmarks/study.py --training      # warm workers and Hyperband as well; ten minutes and more

Ratios, not times, are what to compare; they are taken in one run on one machine.
"""

import argparse
import csv
import heapq
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hardware import hardware

SECONDS = [0.2, 2.0, 0.4, 1.8, 0.6, 1.6, 0.8, 1.4, 1.0, 1.2, 0.3, 1.9]
WORKERS = 4
REPEATS = 5

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: {sweeper}
  - override hydra/launcher: {launcher}
sleep: 0.0
x: 0.0
hydra: {{sweep: {{dir: study}}}}
"""
APP = """
import time
import hydra


@hydra.main(config_path="conf", config_name="config")
def main(cfg):
    began = time.time()
    time.sleep(cfg.sleep)
    with open("{log}", "a") as file:
        file.write(f"{{began}} {{time.time()}} {{cfg.sleep}}\\n")
    return cfg.x**2


if __name__ == "__main__":
    main()
"""


def application(folder: Path, *, sweeper: str, launcher: str) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text(CONFIG.format(sweeper=sweeper, launcher=launcher))
    (folder / "app.py").write_text(APP.format(log=folder / "log"))
    return folder


def run(folder: Path, *arguments: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "app.py", "-m", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def jobs(folder: Path) -> list[tuple[float, float, float]]:
    """Return when each trial began and ended, and how long it slept, in the order of their beginnings."""
    lines = (folder / "log").read_text().splitlines()
    return sorted((float(began), float(ended), float(slept)) for began, ended, slept in map(str.split, lines))


def span(folder: Path) -> float:
    """Return the time from the first trial's beginning to the last one's end."""
    return max(end for _, end, _ in jobs(folder)) - min(begin for begin, _, _ in jobs(folder))


def greedy(seconds: list[float], workers: int) -> float:
    free = [0.0] * workers
    for duration in seconds:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)


def over_greedy(folder: Path) -> float:
    """Return the time that the trials took, over that of workers who always take the next of the same order."""
    return span(folder) / greedy([slept for *_, slept in jobs(folder)], WORKERS)


def makespan(folder: Path) -> None:
    """Uneven trials: how near the workers come to never being idle."""
    values = ",".join(map(str, SECONDS))
    grid = [f"sleep=choice({values})", "hydra/sweeper/sampler=grid", f"hydra.sweeper.n_trials={len(SECONDS)}"]
    ratios: dict[str, list[float]] = {"ours": [], "stock": [], "waits": []}
    for repeat in range(REPEATS):
        ours = application(folder / f"ours_{repeat}", sweeper="lightune", launcher="local")
        run(ours, f"sleep={values}", f"hydra.sweeper.n_jobs={WORKERS}")
        stock = application(folder / f"stock_{repeat}", sweeper="optuna", launcher="local")
        places = [f"hydra.sweeper.n_jobs={WORKERS}", f"hydra.launcher.n_jobs={WORKERS}"]
        run(stock, *grid, *places)
        order = [slept for *_, slept in jobs(stock)]
        waits = sum(max(order[start : start + WORKERS]) for start in range(0, len(order), WORKERS))
        for name, ratio in (("ours", over_greedy(ours)), ("stock", over_greedy(stock))):
            ratios[name].append(ratio)
        ratios["waits"].append(waits / greedy(order, WORKERS))
    middle = {name: statistics.median(values) for name, values in ratios.items()}
    print(f"makespan of {len(SECONDS)} uneven trials on {WORKERS} workers, over the greedy ideal of their order")
    print(f"  lightune                   {middle['ours']:5.2f}   (bound 1.15)")
    print(f"  the stock Optuna sweeper   {middle['stock']:5.2f}   with hydra/launcher=local, which starts workers")
    print(f"                                     for each of its batches; waiting alone {middle['waits']:.2f}")


def bookkeeping(folder: Path) -> None:
    """Trials that do nothing: what each costs, and whether the cost grows."""
    print("bookkeeping per trial: ask, compose, run an empty task, tell, files")
    for launcher, where in (("basic", "in the sweeper's process"), ("local", "one worker")):
        spans, spent = {}, {}
        for trials in (50, 100, 200):
            app = application(folder / f"{launcher}_{trials}", sweeper="lightune", launcher=launcher)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(app, "x=interval(-1,1)", f"hydra.sweeper.n_trials={trials}", "hydra/sweeper/sampler=random")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spans[trials] = span(app)
            spent[trials] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"  {where}")
        for few, many in ((50, 100), (100, 200)):
            wall, processor = ((of[many] - of[few]) / (many - few) * 1000 for of in (spans, spent))
            print(f"    trials {few:3d} to {many:3d}: {wall:6.1f} ms each, {processor:5.1f} of a processor's time")
        print(f"    all 200:           {spans[200] / 199 * 1000:6.1f} ms each   (bound 20)")


def warm_workers(folder: Path) -> None:
    """Twenty one-epoch trainings in a study and in a loop of one process."""
    rates = [round(0.0005 * 1.2**index, 6) for index in range(20)]
    fixed = ["trainer=cpu", "trainer.max_epochs=1", "test=false"]
    ratios = []
    for repeat in range(REPEATS):
        fixed_loop = [*fixed, f"output_root={folder / f'loop_{repeat}'}"]
        loop = (
            "from lightune import compose, train\n"
            f"for lr in {rates}: train(compose({fixed_loop!r} + [f'optimizer.lr={{lr}}']))\n"
        )
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", loop], check=True, stdout=subprocess.DEVNULL)
        plain = time.perf_counter() - began
        began = time.perf_counter()
        study(folder / f"warm_{repeat}", *fixed, "optimizer.lr=" + ",".join(map(str, rates)))
        ratios.append((time.perf_counter() - began) / plain)
    named = f"{statistics.median(ratios):.2f} x the same trainings in one loop"
    print(f"20 one-epoch trials in one worker: {named}   (bound 1.3)")


def hyperband(folder: Path) -> None:
    """The same search of 50 trials with and without pruning, each time on another split: accuracy and epochs."""
    scores: dict[str, list[float]] = {"tpe": [], "hyperband": []}
    epochs: dict[str, list[int]] = {"tpe": [], "hyperband": []}
    space = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.units=16,64,128"]
    for seed in range(5):
        for search in scores:
            place = folder / f"{search}_{seed}"
            settings = [f"search={search}", f"search.seed={seed}", f"seed={seed}", "search.n_trials=50"]
            study(place, *settings, *space, "trainer=cpu", "trainer.max_epochs=27", "~callbacks.early_stopping")
            (home,) = (place / "studies").iterdir()
            with (home / "trials.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            scores[search].append(max(float(row["val/accuracy"]) for row in rows if row["val/accuracy"]))
            results = [json.loads((home / row["folder"] / "result.json").read_text()) for row in rows]
            epochs[search].append(sum(result["epochs"] for result in results))
    spread = statistics.stdev(scores["tpe"])
    gap = statistics.mean(scores["tpe"]) - statistics.mean(scores["hyperband"])
    share = sum(epochs["hyperband"]) / sum(epochs["tpe"])
    print(f"Hyperband, 50 trials, 5 seeds: {share:.2f} of the epochs (bound 0.5)")
    print(f"  best val/accuracy lower by {gap:.4f} (bound: a standard deviation of the unpruned, {spread:.4f})")
    for search, values in scores.items():
        print(f"  {search:<9}", "  ".join(f"{value:.4f}" for value in values), "epochs", *epochs[search])


def study(root: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "lightune.cli.train", "-m", f"output_root={root}", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", action="store_true", help="measure the trainings as well")
    parser.add_argument("--only", choices=("makespan", "bookkeeping", "warm_workers", "hyperband"))
    options = parser.parse_args()
    parts = [makespan, bookkeeping, *([warm_workers, hyperband] if options.training else [])]
    if options.only:
        parts = [globals()[options.only]]
    folder = Path(tempfile.mkdtemp(prefix="lightune_study_"))
    try:
        print(hardware())
        for number, part in enumerate(parts):
            part(folder / str(number))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
