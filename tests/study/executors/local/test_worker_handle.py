import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path

import cloudpickle
import pytest

from lightune.study.executors.executor import Job
from lightune.study.executors.local.sender import Sender
from lightune.study.executors.local.worker_handle import TrialInWorker, WorkerHandle
from lightune.trial import Trial


@pytest.fixture
def handle():
    """A worker that sleeps, and the other end of its connection."""
    ours, theirs = Pipe()
    end, lifeline = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    made = WorkerHandle(process, ours, lifeline, Sender(ours))
    yield made, theirs
    if process.poll() is None:
        made.end()
    os.close(end)


def test_what_is_sent_is_noted_with_the_trial(handle):
    worker, theirs = handle
    jobs = [Job(Trial(1), ("x=1",)), Job(Trial(2), ("x=2",))]
    worker.send(jobs)
    assert [job.trial.number for job in cloudpickle.loads(theirs.recv_bytes())] == [1, 2]
    assert sorted(worker.trials) == [1, 2]
    worker.answer(True)
    assert cloudpickle.loads(theirs.recv_bytes()) is True


def test_a_worker_is_asked_to_stop_before_it_is_ended(handle, monkeypatch):
    sent = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append(number))
    worker, _ = handle
    worker.stop()
    worker.stop()
    assert sent == [signal.SIGINT, signal.SIGKILL]
    worker.send([Job(Trial(1), ())])  # new trials are asked anew
    worker.stop()
    assert sent[-1] == signal.SIGINT
    monkeypatch.undo()


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGTERM, "SIGTERM")])
def test_how_a_process_ended_is_said_in_one_line(handle, number, name):
    worker, _ = handle
    worker.process.send_signal(number)
    assert worker.why_it_ended() == f"its process was ended by {name}"
    assert worker.is_over
    worker.trials[1] = TrialInWorker(Job(Trial(1), ()))
    assert not worker.is_over  # a trial is still to be told of
    worker.trials.clear()


def test_a_worker_that_is_ended_is_gone_with_its_connection(handle):
    worker, theirs = handle
    worker.end()
    assert worker.process.returncode == -signal.SIGKILL
    with pytest.raises(EOFError):
        theirs.recv_bytes()


@pytest.mark.parametrize(
    ("resume", "folder", "resumes"), [(False, None, False), (False, Path("f"), True), (True, None, True)]
)
def test_a_trial_is_resumed_if_it_has_written_before(resume, folder, resumes):
    held = TrialInWorker(Job(Trial(1, resume=resume), ("x=1",)), folder=folder)
    again = held.resumed(alone=True)
    assert (again.trial.resume, again.alone, again.overrides) == (resumes, True, ("x=1",))
