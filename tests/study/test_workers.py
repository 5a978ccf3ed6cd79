import os
import subprocess
import sys
import threading
from multiprocessing.connection import Pipe

from lightune.study.pools import Job
from lightune.study.trial import Trial
from lightune.study.workers import Workers, _Worker


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
