"""A process that trains along with the first process of a run, which started it."""

import json
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lightune.config.trust import inherit
from lightune.paths import outer_rank
from lightune.run import InterruptedRun, TrainingError, train
from lightune.runtime.parent import end_with_parent
from lightune.runtime.plain_text import say


def main() -> None:
    """Train in a process that the first one started, as the first line of its standard input says.

    The line is a JSON object: `path` is the first process's `sys.path`, `trusted` the packages that it trusts,
    `config` the configuration as YAML, `run_dir` the run's folder; the rest are arguments of `train`. The exit
    code is that of a run: 1 if the training failed, 128 and the signal's number if it was interrupted.
    """
    order = json.loads(sys.stdin.readline())
    end_with_parent()
    sys.path[:] = order.pop("path")
    inherit(order.pop("trusted"))
    cfg = OmegaConf.create(order.pop("config"))
    assert isinstance(cfg, DictConfig)
    try:
        train(cfg, run_dir=Path(order.pop("run_dir")), **order)
    except InterruptedRun as stopped:
        sys.exit(stopped.exit_code)
    except TrainingError as failed:
        say(f"process {outer_rank()}: {failed}", error=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
