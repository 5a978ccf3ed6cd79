"""The sign of life of a driver."""

from lightune.study.storage import lease as module
from lightune.study.storage.lease import Lease, has_lease, lives


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
