"""How light the command line is: the time of `train.py --cfg job` over that of `import hydra`.

    python benchmarks/startup.py                goal: at most 2.0
    python benchmarks/startup.py --training     from Enter to the first training step, over the imports alone;
                                                goal: at most 1.1

All are fresh processes, interleaved; the figure is the median of the pairs' ratios. The imports alone are exactly
the modules that the training has imported by its first step, in their order.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hardware import hardware

TRAIN = Path(__file__).parents[1] / "train.py"
REPEATS = 15
GOAL = 2.0


def seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


FIRST_STEP = """
import os, runpy, sys
sys.argv = ["train.py", "output_root={folder}", "trainer=cpu"]

def leave(*_):
    with open("{folder}/modules", "w") as file:
        file.write("\\n".join(sys.modules))
    os._exit(0)

class Waiting:  # for torch's optimizers, without importing them first
    def find_spec(self, name, path=None, target=None):
        if name == "lightune.training.fit":
            sys.meta_path.remove(self)
            from torch.optim.optimizer import register_optimizer_step_pre_hook
            register_optimizer_step_pre_hook(leave)

sys.meta_path.insert(0, Waiting())
runpy.run_path("{train}", run_name="__main__")
sys.exit("no training step was taken")
"""
IMPORTS = """
import importlib, os
for name in open("{folder}/modules").read().splitlines():
    try:
        importlib.import_module(name)
    except Exception:
        pass
os._exit(0)
"""


def training(repeats: int) -> None:
    """Print the time to the first training step over that of the imports alone."""
    with tempfile.TemporaryDirectory() as folder:
        first_step = FIRST_STEP.format(folder=folder, train=TRAIN)
        imports = IMPORTS.format(folder=folder)
        seconds("-c", first_step), seconds("-c", imports)
        pairs = [(both_clocks("-c", first_step), both_clocks("-c", imports)) for _ in range(repeats)]
    for clock, place in (("wall", 0), ("cpu", 1)):
        ratio = statistics.median(ours[place] / bare[place] for ours, bare in pairs)
        ours, bare = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
        print(
            f"{clock:4}  to the first step {ours:6.3f} s, the imports alone {bare:6.3f} s, ratio {ratio:.2f}",
            end="",
        )
        print("    (goal: at most 1.1)" if clock == "wall" else "")


def both_clocks(*arguments: str) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = seconds(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args()
    if given.training:
        training(given.repeats)
        print(hardware())
        return
    seconds("-c", "import hydra")
    pairs = [(seconds(str(TRAIN), "--cfg", "job"), seconds("-c", "import hydra")) for _ in range(given.repeats)]
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"train.py --cfg job   {ours:6.3f} s")
    print(f"import hydra         {bare:6.3f} s")
    print(f"ratio                {ratio:6.2f}    (goal: at most {GOAL})")
    print(hardware())


if __name__ == "__main__":
    main()
