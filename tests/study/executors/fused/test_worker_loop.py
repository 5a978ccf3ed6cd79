"""Studies that train a group of trials in each of several processes."""

import contextlib
import os
import signal
from multiprocessing.connection import Pipe
from types import SimpleNamespace

import cloudpickle
import pytest
from fused_members import reports, rows, told

from lightune.study.executors.executor import Job
from lightune.study.executors.fused.worker_loop import FusedWorker
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.worker.channel import Channel
from lightune.study.executors.worker.interrupt import Interrupt
from lightune.study.storage.trial_store import TrialStore
from lightune.trial import Trial

pytestmark = pytest.mark.long

LOW = "search.pruner={_target_:optuna.pruners.ThresholdPruner,lower:0.125,n_warmup_steps:3}"
TWO = ("search.n_jobs=2", "optimizer=sgd", "trainer.max_epochs=4", "callbacks.checkpoint.every_seconds=0")


@contextlib.contextmanager
def at_report(epoch, happens):
    """Let something happen when the driver hears of an epoch, from 1, of the first trial for the first time."""
    report, awaited = TrialStore.report, [(0, epoch)]

    def heard(self, number, step, value):
        if (number, step) in awaited:
            awaited.clear()
            happens()
        return report(self, number, step, value)

    TrialStore.report = heard
    try:
        yield
    finally:
        TrialStore.report = report


@pytest.fixture
def workers(monkeypatch):
    """Remember the workers of a study."""
    made, begin = [], LocalExecutor.__init__

    def remember(self, *given, **named):
        made.append(self)
        begin(self, *given, **named)

    monkeypatch.setattr(LocalExecutor, "__init__", remember)
    return made


def test_each_process_trains_a_group_whose_trials_end_as_alone(study):
    swept = (*TWO, "optimizer.lr=1e-2,1e-8,3e-2,1e30,2e-2", "search=grid", LOW)
    together, code, said = study(*swept)
    assert (code, said.count("as one program")) == (0, 2), said
    assert "trials as one program on cpu: 0-2" in said
    assert "trials as one program on cpu: 3-4" in said
    states = {row["number"]: row["state"] for row in rows(together)}
    assert states["3"] == "failed"
    assert set(states.values()) == {"completed", "pruned", "failed"}
    for number in (number for number, state in states.items() if state == "completed"):
        alone, code, said = study(*TWO[1:], f"optimizer.lr={rows(together)[int(number)]['optimizer.lr']}",
                                  name=f"alone_{number}", launcher="basic")  # fmt: skip
        ours, theirs = told(together, number), told(alone, 0)
        assert code == 0, said
        assert ours["metrics"] == pytest.approx(theirs["metrics"], rel=1e-6)
        assert (ours["epochs"], ours["steps"]) == (theirs["epochs"], theirs["steps"])
    assert all(sorted(values) == list(range(1, len(values) + 1)) for values in reports(together))


def test_trials_that_differ_in_more_than_numbers_are_divided_by_it(study):
    folder, code, said = study(*TWO[:2], "trainer.max_epochs=1", "model.units=16,24", "optimizer.lr=1e-2,2e-2")
    assert code == 0, said
    assert "alone" not in said
    assert [said.count(f"2 trials as one program on cpu: {numbers}") for numbers in ("0-1", "2-3")] == [1, 1], said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4


@pytest.mark.parametrize(("gpus", "has"), [("3,5", ["3"]), ("3", [])])
def test_trials_of_one_process_have_one_of_several_gpus(study, workers, monkeypatch, gpus, has):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    swept = ("search.n_jobs=1", "trainer.accelerator=auto", "trainer.max_epochs=1", "model.units=16,24")
    folder, code, said = study(*swept)
    assert code == 0, said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 2
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for made in workers for slot in made._slots] == has


class ExecutorThatIsStopped:
    """Give back what it has when a signal comes, which is at its second step."""

    def __init__(self, also=lambda: None):
        self.jobs, self._also = [], also

    def submit(self, job):
        self.jobs.append(job)

    def wait(self, seconds):
        self._also()
        signal.raise_signal(signal.SIGINT)
        return []

    def interrupt(self):
        self.wait = lambda seconds: []


def test_trials_that_were_sent_before_a_signal_are_stopped_by_it():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours, theirs = Pipe()
    try:
        interrupt = Interrupt()
        channel = Channel(theirs, interrupt)
        worker = SimpleNamespace(channel=channel, interrupt=interrupt, context=SimpleNamespace(objectives=None))
        ours.send_bytes(cloudpickle.dumps([Job(Trial(0), ())]))
        executor = ExecutorThatIsStopped(lambda: ours.send_bytes(cloudpickle.dumps([Job(Trial(1), ())])))
        FusedWorker(worker, executor).run()
        told = cloudpickle.loads(ours.recv_bytes())
        assert [number for _, number, *_ in told] == [0, 1]
        assert (channel.jobs(wait=False), interrupt.asked) == ([], False)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


def test_trials_that_come_before_an_answer_are_kept():
    ours, theirs = Pipe()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        channel = Channel(theirs, Interrupt())
        ours.send_bytes(cloudpickle.dumps([Job(Trial(7), ())]))
        ours.send_bytes(cloudpickle.dumps(True))
        assert channel.report(0, 1, 0.5) is True
        assert [job.trial.number for job in channel.jobs(wait=False)] == [7]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


@pytest.mark.slow
def test_trials_whose_process_is_killed_go_on_alone(study, workers):
    def kill():
        os.kill(workers[0]._workers[0].process.pid, signal.SIGKILL)

    swept = (
        *TWO,
        "optimizer.lr=1e-2,2e-2,3e-2,4e-2",
        "search=grid",
        "search.pruner={_target_:optuna.pruners.NopPruner}",
    )
    with at_report(2, kill):
        folder, code, said = study(*swept)
    assert code == 0, said
    assert "alone  trial 0: the process died in which it trained with others" in said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4
    assert [told(folder, number)["epochs"] for number in range(4)] == [4] * 4
    said = (folder / "trials" / "0" / "train.log").read_text()
    assert "going on from" in said
    assert [said.count(f" epoch {epoch}/4 ") for epoch in (1, 4)] == [1, 1], said


@pytest.mark.slow
def test_trials_whose_process_somebody_stops_go_on(study, workers):
    def stop():
        os.kill(workers[0]._workers[0].process.pid, signal.SIGINT)

    swept = (
        *TWO,
        "optimizer.lr=1e-2,2e-2,3e-2,4e-2",
        "search=grid",
        "search.pruner={_target_:optuna.pruners.NopPruner}",
    )
    with at_report(2, stop):
        folder, code, said = study(*swept)
    assert code == 0, said
    assert "the process died in which it trained with others" not in said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4
    assert [told(folder, number)["epochs"] for number in range(4)] == [4] * 4
    said = (folder / "trials" / "0" / "train.log").read_text()
    assert "going on from" in said
    assert [said.count(f" epoch {epoch}/4 ") for epoch in (1, 4)] == [1, 1], said


@pytest.mark.slow
def test_a_signal_stops_all_groups_and_the_same_command_goes_on(study):
    swept = (
        *TWO,
        "optimizer.lr=1e-2,2e-2,3e-2,4e-2",
        "search=grid",
        "search.pruner={_target_:optuna.pruners.NopPruner}",
    )
    with at_report(1, lambda: signal.raise_signal(signal.SIGINT)):
        folder, code, said = study(*swept)
    assert code == 130, said
    states = [row["state"] for row in rows(folder)]
    assert states[:2] == ["interrupted"] * 2
    assert set(states[2:]) <= {"interrupted", "completed"}  # the other process may have been faster
    _, code, said = study(*swept)
    assert code == 0, said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4
    assert [told(folder, number)["epochs"] for number in range(4)] == [4] * 4
    assert [sorted(values) for values in reports(folder)] == [[1, 2, 3]] * 4
