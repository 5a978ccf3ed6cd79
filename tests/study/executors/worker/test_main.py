"""Trials as a worker runs them, most of them without its process."""

import os
import signal
import time
from types import SimpleNamespace

import cloudpickle
import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode

from lightune.runtime import stopwatch
from lightune.runtime.stopwatch import once_for_all
from lightune.study.definition.settings import Objective, Settings
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Done, Job, Started
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.local.worker_handle import Slot
from lightune.study.executors.worker import main as worker
from lightune.study.executors.worker.channel import Channel
from lightune.study.executors.worker.interrupt import Interrupt
from lightune.study.executors.worker.setup import WorkerSetup
from lightune.study.outcome.attempts import has_room
from lightune.study.outcome.outcome import Outcome, commit, read_outcome
from lightune.trial import Trial

ONE = (Objective(None, "max"),)


@pytest.fixture
def setup_for(tmp_path, monkeypatch):
    """Make what a worker is sent by the driver of a small application, for a task."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("x: 1\nhydra: {sweep: {dir: study}}\n")
    setup_globals()
    with initialize_config_dir(str(tmp_path / "conf"), job_name="app"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
        monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
        context = HydraContext(config_loader=loader, callbacks=Callbacks())
        yield lambda task: WorkerSetup(
            ExecutorContext(
                config=config,
                hydra_context=context,
                task_function=task,
                settings=Settings(ONE),
                n_left=1,
                study=tmp_path / "study",
            )
        )


@pytest.fixture
def serve(setup_for):
    """Run a trial as a worker does; return what it tells the driver of its end."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(job, task):
        setup = setup_for(task)
        interrupt = Interrupt()
        channel = Channel(SimpleNamespace(send_bytes=lambda sent: None), interrupt)
        return worker.Worker(setup, channel, interrupt).run(job).outcome

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def never(config):
    raise AssertionError("it ran")


@pytest.mark.parametrize("status", ["completed", "pruned", "failed"])
def test_a_trial_that_was_finished_by_who_it_was_taken_from_is_not_run_again(serve, tmp_path, status):
    values = (0.5,) if status == "completed" else None
    commit(tmp_path / "study" / "0", Outcome(status, values, 7.0))
    before, ran = sorted((tmp_path / "study").rglob("*")), []
    outcome = serve(Job(Trial(0, resume=True), ()), ran.append)
    assert (outcome.status, outcome.values, outcome.seconds) == (status, values, 7.0)
    assert (ran, sorted((tmp_path / "study").rglob("*"))) == ([], before)


def test_a_trial_that_was_interrupted_goes_on(serve, tmp_path):
    commit(tmp_path / "study" / "0", Outcome("interrupted", None, 7.0))
    outcome = serve(Job(Trial(0, resume=True), ()), lambda config: 0.25)
    assert (outcome.status, outcome.values) == ("completed", (0.25,))


def test_a_start_that_is_stopped_before_it_has_its_folder_is_interrupted(serve, tmp_path, monkeypatch):
    folder = tmp_path / "study" / "0"
    commit(folder, Outcome("failed", None, 0.1, "told to"))

    def stopped(folder, attempt):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(worker, "make_room", stopped)
    outcome = serve(Job(Trial(0, attempt=1), ()), never)
    assert outcome.status == "interrupted"
    assert not has_room(folder, 1)
    assert read_outcome(folder, ONE).error == "told to"


def test_what_is_done_once_for_all_trials_is_not_the_time_of_the_first(serve, monkeypatch):
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(stopwatch, "time", clock)

    def task(config):
        clock.now += 2.0
        with once_for_all():
            clock.now += 30.0
        return 1.0

    assert serve(Job(Trial(0), ()), task).seconds == 2.0
    assert serve(Job(Trial(1), ()), task).seconds == 2.0


def test_a_trial_that_is_stopped_by_hand_does_not_stop_the_next(setup_for):
    def task(config):
        while config.x == 1:
            time.sleep(0.01)
        return float(config.x)

    executor = LocalExecutor([Slot()], setup=cloudpickle.dumps(setup_for(task)), owner="nobody", objectives=ONE)

    def heard():
        (event,) = executor.wait(60)
        return event

    try:
        executor.submit(Job(Trial(0), ()))
        assert isinstance(heard(), Started)
        os.kill(executor._workers[0].process.pid, signal.SIGINT)
        assert heard().outcome.status == "interrupted"
        executor.submit(Job(Trial(1), ("x=2",)))
        started, done = heard(), heard()
        assert (type(started), type(done)) == (Started, Done)
        assert (done.outcome.status, done.outcome.values) == ("completed", (2.0,))
    finally:
        executor.close()
