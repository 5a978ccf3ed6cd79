"""What it takes to add an executor: the class, the launcher that makes it, its configuration; all in this file."""

import csv
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext, RunMode

from lightune.study import PrunedError
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Report, Started
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer
from lightune.study.sweep import sweep


class ThreadExecutor:
    """Runs each trial in a thread."""

    def __init__(self, context, n_threads):
        self._context, self._n_threads = context, n_threads
        self._composer = Composer(context.hydra_context.config_loader, context.config)
        self._events, self._running = SimpleQueue(), 0

    def free(self):
        return self._n_threads - self._running

    def submit(self, job):
        self._running += 1
        made = self._composer.compose_for_job(job.overrides)
        threading.Thread(target=self._run, args=(job, made.task)).start()

    def _run(self, job, config):
        number = job.trial.number
        folder = self._context.study / str(number)
        folder.mkdir(exist_ok=True)
        self._events.put(Started(number, folder))
        returned = JobReturn()
        try:
            if job.trial.prunes:
                self._report(number, float(config.x))
            returned.return_value, returned.status = self._context.task_function(config), JobStatus.COMPLETED
        except Exception as error:  # noqa: BLE001 - it is the trial's
            returned.return_value, returned.status = error, JobStatus.FAILED
        self._events.put(end_of(job, objectives=self._context.objectives, folder=folder, returned=returned))

    def _report(self, number, value):
        answers = SimpleQueue()
        self._events.put(Report(number, 1, value, answers.put))
        if answers.get():
            raise PrunedError

    def wait(self, seconds):
        try:
            event = self._events.get(timeout=seconds)
        except Empty:
            return []
        self._running -= not isinstance(event, Started | Report)
        return [event]

    def interrupt(self):
        """Let the trials come to their ends."""

    def close(self):
        assert self._running == 0


class ThreadLauncher(ExecutorLauncher):
    def __init__(self, n_threads):
        self.n_threads = n_threads

    def make_executor(self, context):
        return ThreadExecutor(context, min(self.n_threads, context.n_left))


@dataclass
class ThreadLauncherConf:
    _target_: str = f"{__name__}.ThreadLauncher"
    n_threads: int = 3


CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: lightune
  - override hydra/launcher: threads
  - override hydra/job_logging: none
x: 1.0
hydra:
  sweep: {dir: study}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Run a study with the new launcher; return the rows of its table."""
    monkeypatch.chdir(tmp_path)
    Plugins.instance().register(ThreadLauncher)  # as Hydra does with what it finds in hydra_plugins
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", {**store.repo, "hydra": dict(store.repo["hydra"])})
    monkeypatch.setitem(store.repo["hydra"], "launcher", dict(store.repo["hydra"]["launcher"]))
    store.store(group="hydra/launcher", name="threads", node=ThreadLauncherConf)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    setup_globals()

    def run(task, *arguments):
        monkeypatch.setattr(sys, "argv", ["app.py", "-m", *arguments])
        with as_found(), initialize_config_dir(str(tmp_path / "conf"), job_name="app"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(arguments), run_mode=RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            context = HydraContext(config_loader=loader, callbacks=Callbacks())
            own = [line for line in arguments if not line.startswith("hydra")]
            try:
                sweep(config, hydra_context=context, task_function=task, arguments=own)
            finally:
                HydraConfig.instance().cfg = None
        with Path("study/trials.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


def test_a_whole_study_runs_at_the_same_time_in_threads(study):
    together = threading.Barrier(3, timeout=20)

    def task(config):
        together.wait()
        return float(config.x)

    rows = study(task, "x=1,2,3")
    assert [(row["state"], row["value"]) for row in rows] == [("completed", f"{x}.0") for x in (1, 2, 3)]


def test_reports_and_failures_reach_the_study(study):
    def task(config):
        if config.x == 2:
            raise ValueError("told to")
        return float(config.x)

    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.5}"
    rows = study(task, "x=1,2,3", pruner)
    assert [row["state"] for row in rows] == ["completed", "failed", "pruned"]
    assert rows[1]["error"] == "ValueError: told to"
    assert Path("study/1/traceback.txt").is_file()
