"""How light the command line is: the time of `train.py --cfg job` over that of `import hydra`.

    python benchmarks/startup.py            goal: at most 2.0

Both are fresh processes, interleaved; the figure is the median of the pairs' ratios.
"""

import statistics
import subprocess
import sys
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


def main() -> None:
    seconds("-c", "import hydra")
    pairs = [(seconds(str(TRAIN), "--cfg", "job"), seconds("-c", "import hydra")) for _ in range(REPEATS)]
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"train.py --cfg job   {ours:6.3f} s")
    print(f"import hydra         {bare:6.3f} s")
    print(f"ratio                {ratio:6.2f}    (goal: at most {GOAL})")
    print(hardware())


if __name__ == "__main__":
    main()
