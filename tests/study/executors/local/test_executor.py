import os
import signal
import subprocess
import sys
from multiprocessing.connection import Pipe
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import pytest

from lightune.study.definition.settings import Settings
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Done, Job, Message, Report, Started
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.local.sender import Sender
from lightune.study.executors.local.worker_handle import Slot, TrialInWorker, WorkerHandle
from lightune.study.executors.worker.setup import WorkerSetup
from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial


def test_a_signal_that_comes_before_a_trial_has_its_process_reaches_it():
    workers = LocalExecutor([], setup=b"", owner="nobody")
    child = "import signal, time; signal.signal(2, signal.SIG_DFL); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    ours, theirs = Pipe()
    lifeline, other_end = os.pipe()
    workers._workers.append(WorkerHandle(process, ours, other_end, Sender(ours)))
    workers.interrupt()
    assert process.poll() is None  # it had no trial
    workers.submit(Job(Trial(0), ()))
    assert process.wait(timeout=20) == -2
    process.stdout.close()
    workers.close()
    theirs.close()
    os.close(lifeline)


def serve_all(worker):
    """Run what has come as one program, and what is to be alone by itself; some jobs end the process."""
    while True:
        jobs = worker.channel.jobs()
        together = [job for job in jobs if not job.alone]
        for group in [together] * bool(together) + [[job] for job in jobs if job.alone]:
            if group[0].alone:
                worker.channel.alone(group[0].trial.number)
            for job in group:
                worker.channel.started(job.trial.number, Path(str(job.trial.number)))
            if ("die",) in {job.overrides for job in group}:
                os._exit(3)
            ended = []
            for job in group:
                stop = worker.channel.report(job.trial.number, 1, 0.5)
                end = Outcome("completed", (float(stop), float(job.trial.resume)))
                ended.append(Done(job.trial.number, end))
            worker.channel.done(ended)


@pytest.fixture
def shared():
    """Start processes that take several trials at a time."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    started = []

    def start(slots, serve=serve_all, capacity=4):
        context = ExecutorContext(
            config=None,
            hydra_context=SimpleNamespace(config_loader=None),
            task_function=None,
            settings=Settings(()),
            n_left=1,
        )
        setup = cloudpickle.dumps(WorkerSetup(context, serve))
        started.append(LocalExecutor([Slot()] * slots, setup=setup, owner="nobody", capacity=capacity))
        return started[-1]

    yield start
    for workers in started:
        workers.close()
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def ends_of(workers, trials):
    """Wait for so many ends; return them by their numbers, and the size of each group of them."""
    ends, groups = {}, []
    while len(ends) < trials:
        events = workers.wait(10.0)
        for event in events:
            if isinstance(event, Report):
                event.answer(event.number == 2)
        done = {event.number: event for event in events if isinstance(event, Done)}
        groups += [len(done)] * bool(done)
        ends |= done
    return ends, groups


def test_trials_of_a_process_start_together_and_are_heard_of_together(shared):
    workers = shared(2)
    assert workers.free() == 8
    for number in range(6):
        workers.submit(Job(Trial(number), ("run",)))
    assert workers.free() == 2
    ends, groups = ends_of(workers, 6)
    assert sum(groups) == 6
    assert min(groups) >= 3
    assert [ends[number].outcome.values for number in range(6)] == [(float(n == 2), 0.0) for n in range(6)]
    assert workers.free() == 8


def test_trials_that_may_train_together_come_to_the_same_process(shared):
    def serve(worker):
        while True:
            jobs = worker.channel.jobs()
            end = Outcome("completed", tuple(float(job.trial.number) for job in jobs))
            worker.channel.done([Done(job.trial.number, end) for job in jobs])

    workers = shared(2, serve=serve)
    for number in range(8):
        workers.submit(Job(Trial(number), (f"model.units={number // 4}", f"optimizer.lr={number}")))
    assert workers.free() == 0
    ends, _ = ends_of(workers, 8)
    low, high = (0.0, 1.0, 2.0, 3.0), (4.0, 5.0, 6.0, 7.0)
    assert [ends[number].outcome.values for number in range(8)] == [low] * 4 + [high] * 4


def test_of_trials_whose_process_ends_the_guilty_one_is_found(shared):
    workers = shared(1)
    for number in range(4):
        workers.submit(Job(Trial(number), ("die" if number == 1 else "run",)))
    ends, _ = ends_of(workers, 4)
    assert ends[1].outcome.error == "its process ended with exit code 3"
    assert ends[1].returned is None
    assert [ends[number].outcome.values for number in (0, 2, 3)] == [(0.0, 1.0), (1.0, 1.0), (0.0, 1.0)]


def test_trials_that_wait_to_be_alone_are_not_blamed_for_others(shared):
    workers = shared(1, capacity=6)
    for number in range(6):
        workers.submit(Job(Trial(number), ("die" if number == 5 else "run",), alone=number < 3))
    ends, _ = ends_of(workers, 6)
    assert [number for number, end in ends.items() if end.outcome.error] == [5]


def test_a_trial_that_ended_its_process_is_alone_when_it_is_tried_again(shared):
    workers = shared(1)
    for overrides in ("die", "run"):
        workers.submit(Job(Trial(0), (overrides,)))
        workers.submit(Job(Trial(1), ("run",)))
        ends, groups = ends_of(workers, 2)
    assert ends[0].outcome.counts
    assert groups == [1, 1]


def test_a_process_that_dies_before_its_report_is_answered_costs_no_trial(shared):
    workers = shared(1)
    for number in range(2):
        workers.submit(Job(Trial(number), ("run",)))
    report = None
    while report is None:
        report = next((event for event in workers.wait(10.0) if isinstance(event, Report)), None)
    process = workers._workers[0].process
    process.kill()
    process.wait()
    report.answer(False)
    ends, _ = ends_of(workers, 2)
    assert [ends[number].outcome.values for number in range(2)] == [(0.0, 1.0)] * 2


def test_a_process_may_say_much_before_it_reads_what_it_is_sent(shared):
    much = 2**20  # bytes, of which a pipe holds a fifth

    def serve(worker):
        for _ in range(4):
            worker.channel.message("." * much)
        serve_all(worker)

    workers = shared(1, serve=serve)
    for number in range(4):
        workers.submit(Job(Trial(number), ("run", "." * much)))
    ends, _ = ends_of(workers, 4)
    assert all(end.outcome.counts for end in ends.values())


def test_what_was_not_sent_when_a_signal_came_is_given_back(shared):
    workers = shared(1)
    workers.submit(Job(Trial(0), ("run",)))
    workers.interrupt()
    (done,) = workers.wait(10.0)
    assert (done.number, done.outcome.status) == (0, "interrupted")
    assert workers.free() == 4


def serve_stopped(worker):
    """End what has come, but stop all of it when a job that stops its process runs, alone or with others."""
    while True:
        jobs = worker.channel.jobs()
        alone = next((job for job in jobs if job.alone), None)
        if alone:
            worker.channel.alone(alone.trial.number)
        running = [alone] if alone else jobs
        stops = ("stop",) in {job.overrides for job in running}
        ended = []
        for job in jobs:
            if not alone or job is alone:
                worker.channel.started(job.trial.number, Path(str(job.trial.number)))
            status = "interrupted" if stops or job not in running else "completed"
            ended.append(Done(job.trial.number, Outcome(status)))
        worker.channel.done(ended)


def test_a_process_that_somebody_stops_costs_no_trial_but_the_one_that_does_it_itself(shared):
    workers = shared(1, serve=serve_stopped)
    for number in range(3):
        workers.submit(Job(Trial(number), ("stop" if number == 1 else "run",)))
    ends, _ = ends_of(workers, 3)
    assert [ends[number].outcome.status for number in range(3)] == ["completed", "interrupted", "completed"]


def test_a_process_that_never_starts_a_trial_is_given_up(shared):
    workers = shared(1, serve=lambda worker: os._exit(5))
    for number in range(3):
        workers.submit(Job(Trial(number), ("run",)))
    ends, _ = ends_of(workers, 3)
    assert {end.outcome.error for end in ends.values()} == {"its process ended with exit code 5"}


def test_what_is_said_and_where_trials_write_is_handed_on(shared):
    def serve(worker):
        for job in worker.channel.jobs():
            worker.channel.message("a program of one")
            worker.channel.started(job.trial.number, Path("there"))
        worker.channel.jobs()

    workers = shared(1, serve=serve)
    workers.submit(Job(Trial(0), ("run",)))
    events = []
    while len(events) < 2:
        events += workers.wait(10.0)
    assert events == [Message("a program of one"), Started(0, Path("there"))]


def test_each_trial_is_asked_to_stop_before_it_is_ended(monkeypatch):
    told = []
    monkeypatch.setattr(
        "lightune.study.executors.local.worker_handle.os.kill", lambda pid, number: told.append(number)
    )
    workers = LocalExecutor([], setup=b"", owner="nobody")
    ours, theirs = Pipe()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    lifeline, other_end = os.pipe()
    worker = WorkerHandle(process, ours, other_end, Sender(ours), trials={0: TrialInWorker(Job(Trial(0), ()))})
    workers._workers.append(worker)
    workers.interrupt()
    workers.interrupt()
    assert told == [signal.SIGINT, signal.SIGKILL]
    worker.trials.clear()  # it ended, and another one was on its way
    workers.submit(Job(Trial(1), ()))
    assert told[2:] == [signal.SIGINT]
    process.stdin.close()
    workers.close()
    theirs.close()
    os.close(lifeline)


def test_a_process_is_started_with_its_signal_waiting(monkeypatch):
    """Until it can say what the signal means; the driver's own is as it was."""
    masks = []

    class Process(subprocess.Popen):
        def __init__(self, arguments, **settings):
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, set()))
            super().__init__([sys.executable, "-c", "pass"], **settings)

    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    monkeypatch.setattr("lightune.study.executors.local.worker_handle.subprocess.Popen", Process)
    workers = LocalExecutor([Slot()], setup=b"", owner="nobody")
    assert signal.SIGINT in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_SETMASK, before)
    workers.close()
