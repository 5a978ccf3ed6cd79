import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Pipe

from lightune.study.pools import Job
from lightune.study.trial import Trial
from lightune.study.workers import Slot, Workers, _Worker


def test_a_signal_that_comes_before_a_trial_has_its_process_reaches_it():
    workers = Workers([], inheritance=b"", owner="nobody")
    child = "import signal, time; signal.signal(2, signal.SIG_DFL); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    ours, theirs = Pipe()
    boot = threading.Thread(target=lambda: None)
    boot.start()
    lifeline, other_end = os.pipe()
    workers._workers.append(_Worker(process, ours, other_end, boot))
    workers.interrupt()
    assert process.poll() is None  # it had no trial
    workers.submit(Job(Trial(0), ()))
    assert process.wait(timeout=20) == -2
    process.stdout.close()
    workers.close()
    theirs.close()
    os.close(lifeline)


def test_each_trial_is_asked_to_stop_before_it_is_ended(monkeypatch):
    told = []
    monkeypatch.setattr("lightune.study.workers.os.kill", lambda pid, number: told.append(number))
    workers = Workers([], inheritance=b"", owner="nobody")
    ours, theirs = Pipe()
    boot = threading.Thread(target=lambda: None)
    boot.start()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    lifeline, other_end = os.pipe()
    worker = _Worker(process, ours, other_end, boot, job=Job(Trial(0), ()))
    workers._workers.append(worker)
    workers.interrupt()
    workers.interrupt()
    assert told == [signal.SIGINT, signal.SIGKILL]
    worker.job = None  # it ended, and another one was on its way
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
    monkeypatch.setattr("lightune.study.workers.subprocess.Popen", Process)
    workers = Workers([Slot()], inheritance=b"", owner="nobody")
    assert signal.SIGINT in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_SETMASK, before)
    workers.close()
