"""Locks on files: had by one process, free after its death."""

import select
import subprocess
import sys
import threading
import time

from lightune.study.storage.locks import LOCK, claimed, is_held, locked, study_lock

CLAIM = """
import sys
from pathlib import Path
from lightune.study.storage.locks import claimed
print("waits", flush=True)
with claimed(Path(sys.argv[1]), 3):
    print("has it", flush=True)
    input()
"""


def test_a_claim_is_had_by_one_process_and_free_after_its_death(tmp_path):
    with claimed(tmp_path, 3):
        other = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "waits\n"
        readable, _, _ = select.select([other.stdout], [], [], 0.2)
        assert not readable
        with claimed(tmp_path, 4):
            pass
    assert other.stdout.readline() == "has it\n"
    other.kill()
    other.communicate()
    with claimed(tmp_path, 3):
        pass


def test_a_claim_that_another_has_is_not_waited_for_if_nobody_wants_to(tmp_path):
    with claimed(tmp_path, 3) as ours, claimed(tmp_path, 3, wait=False) as other:
        assert (ours, other) == (True, False)
    with claimed(tmp_path, 3, wait=False) as ours:
        assert ours


def test_a_lock_whose_file_is_removed_by_its_holder_is_that_of_the_file_that_comes_next(tmp_path):
    path = tmp_path / "study" / "lock"
    waits = threading.Event()

    def wait(held):
        waits.set()
        with locked(path):
            held.append(path.stat().st_ino)
            go_on.wait(20)

    held, go_on = [], threading.Event()
    with locked(path):
        waiting = threading.Thread(target=wait, args=(held,))
        waiting.start()
        waits.wait(20)
        time.sleep(0.2)  # so that it waits for the lock of the file that goes
        path.unlink()
        path.parent.rmdir()
    while not held and waiting.is_alive():
        time.sleep(0.01)
    assert is_held(path)
    go_on.set()
    waiting.join()
    assert held == [path.stat().st_ino]


def test_a_lock_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock"):
            pass


def test_a_lock_is_seen_by_who_looks_and_nothing_is_made(tmp_path):
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not path.exists()
    with locked(path):
        assert is_held(path)
    assert not is_held(path)


def test_a_study_is_had_by_one_at_a_time_although_its_lock_is_removed(tmp_path):
    had, waits = [], threading.Event()

    def wait():
        waits.set()
        with study_lock(tmp_path):
            had.append("other")

    with study_lock(tmp_path):
        (tmp_path / LOCK).unlink()
        waiting = threading.Thread(target=wait)
        waiting.start()
        waits.wait(20)
        waiting.join(0.2)
        had.append("ours")
    waiting.join(20)
    assert had == ["ours", "other"]
