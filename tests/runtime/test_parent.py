import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, sys, time
from lightune.runtime.parent import end_with_parent

first = sys.stdin.readline()
end_with_parent()
worker = multiprocessing.get_context("fork").Process(target=print, args=("worked",))
worker.start()  # closes its standard input first
worker.join()
print(first.strip(), worker.exitcode, flush=True)
time.sleep(600)
"""


@pytest.fixture
def child():
    with subprocess.Popen([sys.executable, "-u", "-c", SCRIPT], stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.kill()


def test_a_process_that_waits_for_its_parent_can_fork_and_ends_with_it(child):
    child.stdin.write("an order\n")
    child.stdin.flush()
    assert [child.stdout.readline() for _ in range(2)] == ["worked\n", "an order 0\n"]
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(60) == 1
