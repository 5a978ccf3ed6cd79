"""What a long study must not do to the machine."""

import os
import subprocess
import sys
import time

import psutil
import pytest


@pytest.mark.slow
def test_a_worker_is_as_large_after_fifty_trainings_as_after_ten(tmp_path):
    arguments = ["seed=range(0,51)", "search.study=s", "trainer=cpu", "trainer.max_epochs=1", "model.units=8"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "lightune.cli.train", "-m", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def until(trial):
        """Yield every now and then until a trial is over."""
        result = tmp_path / "outputs" / "studies" / "s" / "trials" / str(trial) / "result.json"
        end = time.monotonic() + 500
        while not result.exists():
            assert driver.poll() is None, driver.communicate()[0]
            assert time.monotonic() < end, "it did not happen"
            yield
            time.sleep(0.01)

    def size():
        (worker,) = psutil.Process(driver.pid).children()
        return worker.memory_info().rss / 2**20, worker.num_fds(), worker.num_threads()

    def least_between(first, last):
        """Return the least of some trials, whatever one has open in its course."""
        for _ in until(first):
            pass
        return [min(values) for values in zip(*(size() for _ in until(last)), strict=True)]

    try:
        before, after = least_between(4, 9), least_between(44, 49)
        driver.communicate()
        assert driver.returncode == 0
        assert after[0] - before[0] < 25, f"{before[0]:.0f} MB grew to {after[0]:.0f} MB"
        assert after[1] <= before[1] + 2
        assert after[2] <= before[2] + 1
    finally:
        driver.kill()
