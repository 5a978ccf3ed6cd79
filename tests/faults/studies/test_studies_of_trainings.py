"""Studies of real trainings, cut off in the middle of a trial: nothing is lost, nothing comes out other."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

SEARCH = [
    "-m",
    "search=random",
    "search.n_trials=3",
    "search.study=s",
    "optimizer.lr=tag(log,interval(1e-3,1e-1))",
    "model.units=8,16",
    "trainer=cpu",
    "trainer.max_epochs=20",
    "data.batch_size=32",
    "callbacks.early_stopping.patience=20",
]


class Command:
    """The search in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.study = folder / "outputs" / "studies" / "s"

    def start(self, *more):
        return subprocess.Popen(
            [sys.executable, "-m", "lightune.cli.train", *SEARCH, *more],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, *more):
        process = self.start(*more)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    def start_and_wait_for_epoch(self, trial, epoch, *more):
        """Start, and return when a trial is beyond an epoch and not at its end."""
        process = self.start(*more)
        log = self.study / "trials" / str(trial) / "train.log"
        end = time.monotonic() + 400
        while not (log.is_file() and f"epoch {epoch}/" in log.read_text()):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)
        return process

    def rows(self):
        with open(self.study / "trials.csv", newline="") as file:
            return list(csv.DictReader(file))

    def told(self):
        """Return what must not depend on how often the study was cut off."""
        wanted = ("number", "state", "val/accuracy", "optimizer.lr", "model.units", "folder")
        return [[row[column] for column in wanted] for row in self.rows()]

    def results(self):
        """Return of each trial all figures but times."""
        read = [json.loads((self.study / row["folder"] / "result.json").read_text()) for row in self.rows()]
        return [{key: r[key] for key in ("status", "objective", "metrics", "epochs", "steps")} for r in read]

    def log(self, trial):
        return (self.study / "trials" / str(trial) / "train.log").read_text()


@pytest.fixture(scope="module")
def uncut(tmp_path_factory):
    command = Command(tmp_path_factory.mktemp("uncut"))
    command.run()
    return command


def test_a_killed_trial_goes_on_from_its_last_checkpoint(tmp_path, uncut):
    command = Command(tmp_path)
    process = command.start_and_wait_for_epoch(1, 6)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    trials = command.study / "trials"
    assert (trials / "0" / "result.json").is_file()
    assert not (trials / "1" / "result.json").exists()
    assert (trials / "1" / "checkpoints" / "last.ckpt").is_file()

    assert "goes on: 1 of 3 trials finished" in command.run()
    assert "going on from" in command.log(1)
    assert command.log(1).count("epoch 1/") == 1  # not from zero
    assert command.told() == uncut.told()
    assert command.results() == uncut.results()


@pytest.mark.parametrize(
    ("signum", "code", "more"), [(signal.SIGTERM, 143, []), (signal.SIGINT, 130, ["hydra/launcher=basic"])]
)
def test_a_stopped_study_saves_its_running_trial(tmp_path, uncut, signum, code, more):
    command = Command(tmp_path)
    process = command.start_and_wait_for_epoch(1, 5, *more)
    process.send_signal(signum)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "stopped; the same command goes on from here" in said
    assert [row["state"] for row in command.rows()] == ["completed", "interrupted"]
    stopped = json.loads((command.study / "trials" / "1" / "result.json").read_text())
    assert stopped["status"] == "interrupted"

    command.run(*more)
    assert "going on from" in command.log(1)
    assert command.told() == uncut.told()
    assert command.results() == uncut.results()
