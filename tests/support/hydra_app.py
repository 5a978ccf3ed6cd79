"""A small Hydra application without Lightning, whose trials behave as they are told."""

import os
import signal
import subprocess
import sys
import time

import pytest

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: lightune
  - override hydra/launcher: local
x: 1.0
y: 0
do: return
sleep: 0
value: null
search: {}
hydra:
  sweep: {dir: study}
"""

APP = """
import os, sys, time
from pathlib import Path
import hydra
from hydra.core.hydra_config import HydraConfig
from lightune.study import current_trial
from lightune.trial import PrunedError


@hydra.main(config_path="conf", config_name="config")
def main(cfg):
    folder = Path(HydraConfig.get().runtime.output_dir)
    with open(folder / "starts.txt", "a") as file:
        file.write(f"{os.getpid()} {cfg.x}\\n")
    print("trial", HydraConfig.get().job.num)
    end = time.monotonic() + float(cfg.sleep)
    while time.monotonic() < end:
        (folder / "beat.txt").write_text(str(time.time()))
        time.sleep(0.01)
    trial = current_trial()
    for step in range(1, 10):
        if trial is not None and trial.prunes and trial.report(step, float(cfg.x)):
            raise PrunedError
    match cfg.do:
        case "raise":
            raise ValueError("told to")
        case "segv":
            os.kill(os.getpid(), 11)
        case "place":  # the process of this one's parent is what a cluster gives it
            os.kill(os.getppid(), 9)
            time.sleep(60)
        case "exit":
            sys.exit(3)
        case "value":
            return float(cfg.value) if cfg.value is not None else None
        case "prune":
            raise PrunedError
        case "flaky":
            if not (folder / "attempts").exists():
                raise ValueError("the first time")
        case "pair":
            return [(cfg.x - 1) ** 2, (cfg.x + 1) ** 2]
    return (cfg.x - 3) ** 2


if __name__ == "__main__":
    main()
"""


class App:
    """The application in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(CONFIG)
        (folder / "app.py").write_text(APP)
        self._started = []

    def start(self, *arguments, **settings):
        process = subprocess.Popen(
            [sys.executable, "app.py", "-m", *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **settings,
        )
        self._started.append(process)
        return process

    def run(self, *arguments, code=0):
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == code, said
        return said

    @property
    def study(self):
        return self.folder / "study"

    def rows(self):
        import csv

        with open(self.study / "trials.csv", newline="") as file:
            return list(csv.DictReader(file))

    def column(self, name):
        return [row[name] for row in self.rows()]

    def starts(self, number):
        file = self.study / str(number) / "starts.txt"
        return file.read_text().splitlines() if file.exists() else []

    def states(self):
        """Return the states in the storage itself."""
        from lightune.study.storage.backends import open_storage

        storage = open_storage(None, self.study)
        (study,) = storage.get_all_studies()
        return [trial.state.name for trial in storage.get_all_trials(study._study_id)]

    def wait_for(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)

    def kill(self, process):
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def end(self):
        """Leave no process behind, whatever became of the test."""
        for process in self._started:
            if process.poll() is None:
                self.kill(process)
            process.stdout.close()


@pytest.fixture
def app(tmp_path):
    application = App(tmp_path)
    yield application
    application.end()
