"""What `trainer.portable=true` costs: training seconds with it over those without, one thread, interleaved.

    python benchmarks/portable.py --rounds 7

Each is a process of its own, as arithmetic is chosen when torch is imported; the seconds are those that
`result.json` has for the training alone. At least two rounds.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from hardware import hardware
from scipy.stats import bootstrap

KINDS = {
    "mlp": ["model=mlp", "model.units=256", "trainer.max_epochs=30"],
    "cnn": ["model=cnn", "trainer.max_epochs=6"],
    "text_lstm": ["data=text_csv", "model=text_lstm", "trainer.max_epochs=3"],
}


def seconds(words: list[str], *, portable: bool) -> float:
    """Return the training seconds of a run."""
    said = f"trainer.portable={str(portable).lower()}"
    shared = ["trainer=cpu", "logger=none", "test=false", "~callbacks.early_stopping", said]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lightune.cli.train", *words, *shared, f"output_root={folder}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = next(Path(folder).glob("runs/*/*/result.json"))
        return float(json.loads(result.read_text(encoding="utf-8"))["seconds"]["train"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for kind, words in KINDS.items():
        ratios = []
        for number in range(given.rounds + 1):
            taken = {portable: seconds(words, portable=portable) for portable in random.sample((True, False), 2)}
            if number:  # the first round warms the caches of the disk
                ratios.append(taken[True] / taken[False])
        ends = bootstrap((ratios,), np.median, rng=0, method="percentile").confidence_interval
        print(f"{kind:10}  ratio {np.median(ratios):.3f} ({ends.low:.3f} to {ends.high:.3f})")
    print(f"training seconds, portable over not; one thread; {hardware()}")


if __name__ == "__main__":
    main()
