"""Faults injected by seed into real studies: the same as `make soak`, a slice of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SOAK = Path(__file__).resolve().parent

KINDS = (
    "driver killed",
    "all processes killed",
    "SIGTERM",
    "SIGINT",
    "SIGINT twice",
    "SIGHUP",
    "SIGSTOP and SIGCONT",
    "two sweepers",
    "a file spoiled at rest",
    "a file removed under way",
    "journal torn",
    "journal's end zeroed",
    "garbage behind the journal",
    "journal changed in the middle",
    "clock jumps",
    "worker killed",
    "SIGTERM to a worker",
    "locks removed",
    "a failing call",
    "all calls fail from then on",
    "killed in a call",
    "disk full",
    "files of limited size",
)


def soak(*arguments, seconds):
    command = [sys.executable, "-m", "soak", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOAK)}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=seconds, cwd=SOAK.parents[1]
    )


def test_a_study_whose_driver_is_killed_comes_to_its_end():
    done = soak("--seed", "1", "--faults", "1", "--only", "driver killed", "--kind", "grid, basic", seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("sound: every invariant held; 1 faults of 1 kinds in 1 studies")


def test_a_fault_that_there_is_not_is_refused():
    done = soak("--only", "driver thrilled", seconds=60)
    assert done.returncode == 2
    assert "there is no fault ['driver thrilled']" in done.stderr


@pytest.mark.slow
def test_ten_minutes_of_faults():
    done = soak("--seed", "1000", "--faults", "10000", "--seconds", "600", "--only", ",".join(KINDS), seconds=1200)
    assert done.returncode == 0, done.stdout + done.stderr
