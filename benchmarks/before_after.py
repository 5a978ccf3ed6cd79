"""Whether a change makes lightune slower: the same work in two checkouts, paired and interleaved.

    python benchmarks/before_after.py --before OLD                # this checkout over another one, 15 rounds
    python benchmarks/before_after.py --before OLD --only lean fused --rounds 5

OLD is the folder of another checkout with an environment of its own in `.venv`. Each round runs every kind of work
in both, in an order that is drawn anew; the figure is the median of the pairs' ratios of processor time, with its
95 % interval from the bootstrap over pairs. Goal: no upper end above 1.10.

    startup     python train.py --cfg job, ten times
    lean        one run trained twice in a process; the second is measured
    fused       32 members trained as one program, likewise
    study       24 trials of an application without Lightning in the sweeper's process
    end_to_end  python train.py -m, 8 trials in two worker processes, from start to exit
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hardware import hardware
from scipy.stats import bootstrap

HERE = Path(__file__).resolve().parents[1]
GOAL = 1.10
OVERRIDES = ("trainer=cpu", "trainer.max_epochs=20", "model.units=128", "~callbacks.early_stopping")

TWICE = """
import gc, os, sys, tempfile, time, torch
torch.set_num_threads(1)
from lightune import compose, train

def once(seed):
    with tempfile.TemporaryDirectory() as folder:
        train(compose([*{overrides}, f"output_root={{folder}}", f"seed={{seed}}"]))

once(0)
gc.collect()  # one of all objects takes a third of a second: it is to fall into neither side's time by chance
began = time.process_time()
once(1)
print(time.process_time() - began)
"""

APP = """
import hydra

@hydra.main(config_path="conf", config_name="config")
def main(cfg):
    return cfg.x**2

main()
"""
CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: lightune
  - override hydra/launcher: basic
x: 0.0
hydra: {sweep: {dir: study}}
"""


def processor_time(python: Path, *arguments: str, cwd: str) -> float:
    """Return the processor time of a process and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, *arguments], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def startup(checkout: Path, folder: str) -> float:
    train, python = str(checkout / "train.py"), checkout / ".venv/bin/python"
    return sum(processor_time(python, train, "--cfg", "job", cwd=folder) for _ in range(10))


def _second_of_two(checkout: Path, folder: str, *overrides: str) -> float:
    code = TWICE.format(overrides=[*OVERRIDES, *overrides])
    command = [checkout / ".venv/bin/python", "-c", code]
    return float(
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    )


def lean(checkout: Path, folder: str) -> float:
    return _second_of_two(checkout, folder, "trainer.max_epochs=60")


def fused(checkout: Path, folder: str) -> float:
    return _second_of_two(checkout, folder, "repeats=32", "trainer.max_epochs=10", "test=false")


def study(checkout: Path, folder: str) -> float:
    (Path(folder) / "conf").mkdir()
    (Path(folder) / "conf" / "config.yaml").write_text(CONFIG)
    (Path(folder) / "app.py").write_text(APP)
    swept = ["hydra.sweeper.n_trials=24"]
    return processor_time(checkout / ".venv/bin/python", "app.py", "-m", *swept, "x=interval(-1,1)", cwd=folder)


def end_to_end(checkout: Path, folder: str) -> float:
    words = [
        "-m",
        "search=random",
        "search.n_trials=8",
        "search.n_jobs=2",
        "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    ]
    python, train = checkout / ".venv/bin/python", str(checkout / "train.py")
    return processor_time(python, train, *words, *OVERRIDES, "output_root=out", cwd=folder)


WORK: dict[str, Callable[[Path, str], float]] = {
    work.__name__: work for work in (startup, lean, fused, study, end_to_end)
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    sides = (HERE, given.before.resolve())
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in given.only}
    for number in range(given.rounds + 1):
        for name in given.only:
            taken = {}
            for side in random.sample(sides, 2):
                with tempfile.TemporaryDirectory() as folder:
                    taken[side] = WORK[name](side, folder)
            if number:  # the first round warms the caches of the disk
                pairs[name].append((taken[sides[0]], taken[sides[1]]))
        print(f"round {number} of {given.rounds}", file=sys.stderr)
    for name, figures in pairs.items():
        now, before = np.array(figures).T
        ratios = now / before
        ends = bootstrap((ratios,), np.median, rng=0, method="percentile").confidence_interval
        times = f"now {np.median(now):6.2f} s, before {np.median(before):6.2f} s"
        print(f"{name:10}  {times}, ratio {np.median(ratios):.3f} ({ends.low:.3f} to {ends.high:.3f})")
    print(f"goal: no upper end above {GOAL:.2f}; processor time, one thread; {hardware()}")


if __name__ == "__main__":
    main()
