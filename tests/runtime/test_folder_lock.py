import errno

import pytest

from lightune.runtime import folder_lock
from lightune.runtime.folder_lock import folder_locked


def test_a_folder_is_had_by_one_at_a_time_whatever_is_removed_from_it(tmp_path):
    with folder_locked(tmp_path, wait=False) as ours:
        for path in tmp_path.iterdir():
            path.unlink()
        with folder_locked(tmp_path, wait=False) as other:
            assert (ours, other) == (True, False)
    with folder_locked(tmp_path) as again:
        assert again


def test_nothing_is_written_for_it(tmp_path):
    with folder_locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK])
def test_a_file_system_without_such_locks_holds_nobody_up(tmp_path, monkeypatch, number):
    def lock_descriptor(descriptor, **how):
        raise OSError(number, "told to")

    monkeypatch.setattr(folder_lock, "lock_descriptor", lock_descriptor)
    with folder_locked(tmp_path) as ours, folder_locked(tmp_path, wait=False) as other:
        assert (ours, other) == (True, True)


def test_a_folder_that_is_gone_holds_nobody_up(tmp_path):
    with folder_locked(tmp_path / "gone", wait=False) as ours:
        assert ours
