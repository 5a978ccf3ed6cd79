"""Which executor a study has: its launcher's own, this process, or one that drives the launcher in batches."""

import os
import threading
from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from lightune.study.definition.settings import Objective, Settings
from lightune.study.executors import factory, wrapped_task
from lightune.study.executors.batch import BatchExecutor
from lightune.study.executors.executor import Done, Job, Started
from lightune.study.executors.factory import make_executor
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.worker.isolation import as_found
from lightune.study.executors.wrapped_task import URL_VARIABLE, WrappedTask
from lightune.study.outcome.outcome import Outcome
from lightune.study.space.reader import read_space
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.locks import claimed
from lightune.study.storage.trial_store import TrialStore
from lightune.trial import Trial

CONFIG = """
defaults:
  - _self_
  - override hydra/launcher: basic
  - override hydra/job_logging: none
x: 1.0
hydra:
  sweep: {dir: study, subdir: "${hydra.job.num}_x=${x}_${hydra.job.id}"}
"""
RANDOM = {"_target_": "optuna.samplers.RandomSampler"}


class Own(ExecutorLauncher):
    """A launcher that makes an executor: what that is made for."""

    def make_executor(self, context):
        return context


class Others(Launcher):
    """A launcher that runs a batch; each job returns what the task returns."""

    def setup(self, *, hydra_context, task_function, config):
        self.task = task_function

    def launch(self, job_overrides, initial_job_idx):
        raise AssertionError("it is not asked to")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make the executor of a study with a launcher; `made.store` has its trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    folder, leases = tmp_path / "study", []
    folder.mkdir()

    def task(config):
        return float(config.x)

    def make(launcher=None, *, swept=("x=1,2,3",), url=None, ended=0, **settings):
        if launcher is not None:
            monkeypatch.setattr(factory.Plugins.instance(), "instantiate_launcher", lambda **_: launcher)
        with as_found(), initialize_config_dir(str(tmp_path / "conf"), job_name="app"):
            loader = GlobalHydra.instance().config_loader()
            study = SimpleNamespace(
                config=loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN),
                hydra_context=HydraContext(config_loader=loader, callbacks=None),
                settings=Settings((Objective(None, "min"),), **settings),
                space=read_space(swept, params={}),
                folder=folder,
                url=url,
                lease=Lease(folder),
            )
            leases.append(study.lease)
            store = TrialStore(
                open_storage(None, folder),
                folder=folder,
                space=study.space,
                settings=study.settings,
                lease=study.lease,
            )
            made.store, made.study, made.task = store, study, task
        for _ in range(ended):
            store.tell(store.ask(()).number, Outcome("completed", (1.0,)))
        return make_executor(study, task, store).executor

    made = make
    yield make
    for lease in leases:
        lease.end()


def test_a_launcher_that_makes_an_executor_is_told_all_of_the_study(made):
    context = made(Own())
    study, store = made.study, made.store
    assert (context.config, context.hydra_context, context.settings) == (
        study.config,
        study.hydra_context,
        study.settings,
    )
    assert (context.task_function, context.study, context.owner) == (made.task, study.folder, study.lease.name)
    assert (context.report, context.note_folder) == (store.report, store.note_folder)


@pytest.mark.parametrize(("ended", "left"), [(0, 3), (2, 1), (3, 1)])
def test_there_are_as_many_places_as_trials_that_have_not_ended(made, ended, left):
    assert made(Own(), ended=ended).n_left == left


@pytest.mark.parametrize(
    ("swept", "settings", "size"),
    [
        (("x=1,2,3",), {}, 64),
        (("x=interval(0,1)",), {"n_trials": 5, "sampler": RANDOM}, 64),
        (("x=interval(0,1)",), {"n_trials": 5}, 16),
    ],
    ids=["a grid", "random", "one that learns"],
)
def test_a_sampler_that_learns_has_smaller_batches_to_learn_from(made, swept, settings, size):
    assert made(Own(), swept=swept, **settings).batch_size == size


def test_hydras_own_launcher_runs_the_trials_in_this_process(made):
    assert isinstance(made(), InProcessExecutor)


@pytest.mark.parametrize(
    ("settings", "size"), [({}, 1), ({"n_jobs": 3}, 3), ({"n_jobs": 3, "max_batch_size": 2}, 2)]
)
def test_a_launcher_of_others_is_driven_in_batches(made, settings, size):
    launcher = Others()
    executor = made(launcher, **settings)
    assert isinstance(executor, BatchExecutor)
    assert executor.free() == size
    assert isinstance(launcher.task, WrappedTask)
    assert URL_VARIABLE not in os.environ


def test_jobs_of_other_launchers_know_of_the_storage_by_the_environment(made, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "that of another study")
    made(Others(), url="sqlite:///record.db?password=hunter2")
    assert os.environ[URL_VARIABLE] == "sqlite:///record.db?password=hunter2"


def test_where_a_batch_writes_is_known_before_it_runs(made):
    executor = made(Others(), n_jobs=2)
    before = HydraConfig.instance().cfg
    for number, x in ((4, "2.5"), (5, "3")):
        executor.submit(Job(Trial(number), (f"x={x}",)))
    folder = made.study.folder
    assert executor.wait(0) == [Started(4, folder / "4_x=2.5_4"), Started(5, folder / "5_x=3_5")]
    assert HydraConfig.instance().cfg is before


class Crashing(Others):
    """A launcher whose first job crashes while the second runs: it raises, and leaves the second to itself."""

    def __init__(self, crashed):
        self._crashed, self._begun = crashed, threading.Event()
        self.second = threading.Thread(target=self._run)

    def launch(self, job_overrides, initial_job_idx):
        self.task._task = self._second
        self.second.start()
        assert self._begun.wait(20)
        raise RuntimeError("the first job crashed")

    def _run(self):
        self.task(OmegaConf.create())

    def _second(self, config):
        self._begun.set()
        assert self._crashed.wait(20)
        return 7.0


def test_a_batch_whose_first_job_crashes_is_over_when_its_second_is(made, monkeypatch):
    settling = threading.Event()

    def settle(folder, number):
        settling.set()
        return claimed(folder, number)

    launcher = Crashing(settling)
    executor = made(launcher, n_jobs=2)
    folders = {number: made.study.folder / f"{number}_x=1_{number}" for number in (0, 1)}
    second = SimpleNamespace(job=SimpleNamespace(num=1), runtime=SimpleNamespace(output_dir=str(folders[1])))
    monkeypatch.setattr(wrapped_task, "HydraConfig", SimpleNamespace(get=lambda: second))
    monkeypatch.setattr(factory, "claimed", settle)
    for number in folders:
        executor.submit(Job(Trial(number), ("x=1",)))
    executor.wait(0)
    ends = executor.wait(0)
    launcher.second.join(20)
    assert [(type(end), end.outcome.status, end.outcome.values) for end in ends] == [
        (Done, "failed", None),
        (Done, "completed", (7.0,)),
    ]
    assert ends[0].outcome.error == "RuntimeError: the first job crashed"
