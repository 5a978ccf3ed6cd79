"""What the next command that a study proposes finds, against going on with the same search for as many trials.

    python benchmarks/next_search.py               # two samplers, ten seeds each; some minutes
    python benchmarks/next_search.py --seeds 3

For each seed a study of `--trials` trials is searched; then, from copies of it, the command that `lightune show`
proposes is run, and the study goes on with as many trials as that has. The figure is the best value found in all,
the study's own trials included, of a loss: less is better.
"""

import argparse
import contextlib
import json
import math
import os
import shlex
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hardware import hardware

from lightune.cli.search import run_study
from lightune.config.words import Words
from lightune.report.allowed_values import allowed_in
from lightune.report.analysis import analyse
from lightune.report.next_search import next_search
from lightune.report.study_data import StudyData, read_study

SPACE = (
    "optimizer.lr=tag(log,interval(1e-5,1e0))",
    "optimizer.weight_decay=tag(log,interval(1e-6,1e0))",
    "regularization.dropout=interval(0,0.7)",
)
FIXED = (
    "trainer=cpu", "logger=none", "data=diabetes", "data.batch_size=32", "model=mlp", "model.units=16",
    "regularization=dropout", "monitor.metric=val/loss", "monitor.mode=min", "~callbacks.early_stopping",
    "~callbacks.checkpoint", "hydra/launcher=fused", "search.report=false",
)  # fmt: skip
SAMPLERS = ("random", "tpe")


def main() -> None:
    """Print what was found: a line a study, and one a sampler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    print(hardware())
    for sampler in options.samplers:
        found = []
        for seed in range(options.seeds):
            found.append(of_seed(sampler, seed, options))
            print(json.dumps({"sampler": sampler, "seed": seed, **found[-1]}), flush=True)
        print(line(sampler, found), flush=True)


def of_seed(sampler: str, seed: int, options: argparse.Namespace) -> dict[str, float | None]:
    """Return the best values of a study, of what it proposes, and of going on with it."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.chdir(scratch)
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                how = (f"trainer.max_epochs={options.epochs}", f"search={sampler}", f"search.seed={seed}")
                words = (*FIXED, *how, f"seed={seed}", "search.study=s", *SPACE)
                began = searched(words, options.trials)
                proposed = next_search(began, analyse(began), is_allowed=allowed_in(began))
                if proposed is None or "search.enqueue" not in proposed.command:  # more trials of the same
                    return {"began": best(began), "proposed": None, "went on": None}
                tried = read_study(run_study(Words(tuple(shlex.split(proposed.command)[2:]), None)))
                went_on = searched(words, options.trials + len(tried.trials))
                return {
                    "began": best(began),
                    "proposed": min(best(began), best(tried)),
                    "went on": best(went_on),
                }
        finally:
            os.chdir(home)


def searched(words: tuple[str, ...], trials: int) -> StudyData:
    """Search, or go on with the search; return the study."""
    return read_study(run_study(Words((*words, f"search.n_trials={trials}"), None)))


def best(study: StudyData) -> float:
    """Return the best value of a study."""
    assert study.best_value is not None
    return study.best_value


def line(sampler: str, found: list[dict[str, float | None]]) -> str:
    """Return what was found with a sampler, in words."""
    pairs = [
        (each["proposed"], each["went on"])
        for each in found
        if each["proposed"] is not None and each["went on"] is not None
    ]
    if not pairs:
        return f"{sampler}: nothing was told from chance, so more trials of the same were proposed"
    better = sum(proposed < went_on for proposed, went_on in pairs)
    worse = sum(proposed > went_on for proposed, went_on in pairs)
    ratio = math.exp(statistics.fmean(math.log(proposed / went_on) for proposed, went_on in pairs))
    return (
        f"{sampler}: of {len(found)} studies {len(pairs)} proposed a search of its own; "
        f"better than going on in {better}, worse in {worse}; best loss over that of going on {ratio:.3f} "
        f"(geometric mean)"
    )


if __name__ == "__main__":
    main()
