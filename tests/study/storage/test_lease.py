"""The sign of life of a driver."""

import subprocess
import sys

import pytest

from lightune.study.storage import lease as module
from lightune.study.storage.lease import FOLDER, Lease, has_lease, is_at_work, is_name, lives

HOLDER = """
import sys
from pathlib import Path
from lightune.study.storage.lease import Lease
lease = Lease(Path(sys.argv[1]))
print(lease.name, flush=True)
for line in sys.stdin:
    lease.renew()
    print("renewed", flush=True)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has a lease, and the name of that."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_lease_lives_as_long_as_its_owner(tmp_path):
    mine, other = Lease(tmp_path), Lease(tmp_path)
    assert mine.is_alive(other.name)
    assert mine.is_alive(mine.name)
    assert not mine.is_alone()
    name = other.name
    other.end()
    assert not mine.is_alive(name)
    assert not mine.is_alive("nobody")
    assert mine.is_alone()
    mine.end()


def test_a_process_without_a_lease_sees_who_lives(tmp_path):
    lease = Lease(tmp_path)
    assert lives(tmp_path, lease.name)
    assert has_lease(tmp_path, lease.name)
    lease.end()
    assert not lives(tmp_path, lease.name)
    assert not has_lease(tmp_path, lease.name)
    assert list((tmp_path / ".leases").iterdir()) == []  # looking makes no file


def test_the_lease_of_a_dead_owner_is_removed_and_that_of_a_living_one_stays(tmp_path):
    mine, other = Lease(tmp_path), Lease(tmp_path)
    (tmp_path / ".leases" / "1-dead").touch()
    mine.end_workers_of_dead_owners()
    assert {path.name for path in (tmp_path / ".leases").iterdir()} == {mine.name, other.name}
    mine.end()
    other.end()


def test_a_lease_is_locked_before_it_is_seen(tmp_path, monkeypatch):
    seen = []
    acquire = module.acquire

    def spy(path):
        locked = acquire(path)
        seen.extend(path.name for path in (tmp_path / ".leases").iterdir())
        return locked

    monkeypatch.setattr(module, "acquire", spy)
    lease = Lease(tmp_path)
    assert seen == [f".{lease.name}"]
    assert [path.name for path in (tmp_path / ".leases").iterdir()] == [lease.name]
    lease.end()


def test_a_driver_whose_lease_was_removed_is_not_taken_for_dead(tmp_path, other):
    process, name = other
    ours = Lease(tmp_path)
    (tmp_path / FOLDER / name).unlink()
    assert ours.is_alive(name)
    process.kill()
    process.wait()
    assert not ours.is_alive(name)


def test_a_lease_that_was_removed_is_made_again(tmp_path, other):
    process, name = other
    ours = Lease(tmp_path)
    (tmp_path / FOLDER / name).unlink()
    process.stdin.write("renew\n")
    process.stdin.flush()
    assert process.stdout.readline() == "renewed\n"
    assert not ours.is_alone()


def test_what_the_dead_left_is_removed_with_what_they_had_only_begun(tmp_path, other):
    process, name = other
    (tmp_path / FOLDER / f".{name}").touch()
    process.kill()
    process.wait()
    ours = Lease(tmp_path)
    ours.end_workers_of_dead_owners()
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [ours.name]


def test_a_lease_that_was_given_back_is_not_made_again(tmp_path):
    lease = Lease(tmp_path)
    lease.end()
    lease.renew()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_record_may_name_a_lease_and_nothing_else(tmp_path):
    lease = Lease(tmp_path)
    lease.end()
    assert is_name(lease.name)
    assert not any(map(is_name, ["../x", "/x", "", None, 3, ".x", "a/b"]))


def test_a_lease_that_is_made_again_while_somebody_looks_is_not_taken_for_a_dead_one(tmp_path, other, monkeypatch):
    """What is looked at changes between two looks: it was removed at the first, and is there at the second."""
    _, name = other
    ours = Lease(tmp_path)
    held, looks = module.is_held, []

    def look(path):
        looks.append(path)
        return held(path) if len(looks) > 1 else False

    monkeypatch.setattr(module, "is_held", look)
    assert ours.is_alive(name)


def test_a_lease_is_known_by_the_place_that_its_folder_really_has(tmp_path, other):
    _, name = other
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    (tmp_path / FOLDER / name).unlink()
    assert lives(tmp_path / "elsewhere", name)


def test_a_lease_that_is_removed_while_it_is_made_is_made_again(tmp_path, monkeypatch):
    take, taken = module.acquire, []

    def removed(path):
        taken.append(take(path))
        if len(taken) == 1:
            path.unlink()
        return taken[-1]

    monkeypatch.setattr(module, "acquire", removed)
    lease = Lease(tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [lease.name]
    lease.end()


def test_a_study_is_at_work_while_a_driver_lives_and_no_link_is_followed(tmp_path):
    study, stranger = tmp_path / "study", tmp_path / "stranger"
    assert not is_at_work(study)
    lease = Lease(study)
    assert is_at_work(study)
    stranger.mkdir()
    (stranger / ".leases").symlink_to(study / ".leases")
    assert not is_at_work(stranger)
    lease.end()
    assert not is_at_work(study)
