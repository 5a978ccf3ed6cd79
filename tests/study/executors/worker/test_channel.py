import threading
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path

import cloudpickle
import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.study.executors.executor import Done, Job
from lightune.study.executors.worker.channel import Channel
from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial


class Deferring:
    """Stands for the interrupt, and notes whether it was deferred while something was sent."""

    def __init__(self):
        self.times = 0

    @contextmanager
    def deferred(self):
        self.times += 1
        yield


@pytest.fixture
def ends():
    ours, theirs = Pipe()
    interrupt = Deferring()
    return Channel(ours, interrupt), theirs, interrupt


def read(connection):
    return cloudpickle.loads(connection.recv_bytes())


def jobs(*numbers):
    return [Job(Trial(number), (f"x={number}",)) for number in numbers]


def test_all_trials_that_have_come_are_taken_at_once(ends):
    channel, driver, _ = ends
    driver.send_bytes(cloudpickle.dumps(jobs(1, 2)))
    driver.send_bytes(cloudpickle.dumps(jobs(3)))
    assert [job.trial.number for job in channel.jobs()] == [1, 2, 3]
    assert channel.jobs(wait=False) == []


def test_a_driver_that_is_gone_ends_the_waiting(ends):
    channel, driver, _ = ends
    driver.close()
    with pytest.raises(EOFError):
        channel.jobs()


@pytest.mark.parametrize("stop", [True, False])
def test_a_report_waits_for_its_answer_and_keeps_the_trials_that_come_meanwhile(ends, stop):
    channel, driver, interrupt = ends
    answers = []
    reporting = threading.Thread(target=lambda: answers.append(channel.report(4, 2, 0.5)))
    reporting.start()
    assert read(driver) == [("report", 4, 2, 0.5)]
    driver.send_bytes(cloudpickle.dumps(jobs(7)))
    driver.send_bytes(cloudpickle.dumps(stop))
    reporting.join(10)
    assert answers == [stop]
    assert interrupt.times == 1
    assert [job.trial.number for job in channel.jobs(wait=False)] == [7]


def test_what_happens_is_said_in_plain_values(ends):
    channel, driver, _ = ends
    channel.alone(3)
    channel.started(3, Path("trials/3"))
    channel.message("a line")
    assert [read(driver) for _ in range(3)] == [
        [("alone", 3)],
        [("started", 3, "trials/3")],
        [("message", "a line")],
    ]


def returned(value, status=JobStatus.COMPLETED):
    job = JobReturn(overrides=["x=1"])
    job.return_value, job.status = value, status
    return job


def test_trials_that_end_together_are_said_together(ends):
    channel, driver, _ = ends
    channel.done([Done(number, Outcome("completed", (0.5,)), returned(number)) for number in (1, 2)])
    first, second = read(driver)
    assert (first[:3], second[:3]) == (
        ("done", 1, Outcome("completed", (0.5,))),
        ("done", 2, Outcome("completed", (0.5,))),
    )
    assert cloudpickle.loads(second[3]).return_value == 2


def test_a_value_that_cannot_travel_is_sent_as_its_text(ends):
    channel, driver, _ = ends
    channel.done([Done(1, Outcome("completed", (0.5,)), returned(threading.Lock()))])
    ((_, _, _, packed),) = read(driver)
    assert "lock" in cloudpickle.loads(packed).return_value
    assert cloudpickle.loads(packed).overrides == ["x=1"]


def test_an_error_that_cannot_travel_is_sent_as_its_message(ends):
    class UntravelledError(Exception):
        def __reduce__(self):
            raise TypeError("stays here")

    channel, driver, _ = ends
    channel.done([Done(1, Outcome("failed"), returned(UntravelledError("told to"), JobStatus.FAILED))])
    ((_, _, _, packed),) = read(driver)
    with pytest.raises(RuntimeError, match="told to"):
        _ = cloudpickle.loads(packed).return_value
