import os

import pytest

from lightune.study.storage.leftovers import clear_away, newest_change
from lightune.study.storage.locks import locked


@pytest.fixture
def folder(tmp_path):
    """The folder of a trial whose process was killed while it wrote."""
    (tmp_path / "checkpoints").mkdir()
    for name in (".lock", ".result.json.0123.tmp", "checkpoints/.last.ckpt.4567.tmp", "checkpoints/last.ckpt"):
        (tmp_path / name).touch()
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("has_lock", [True, False])
def test_what_a_killed_process_left_is_removed_and_nothing_else(folder, has_lock):
    if not has_lock:
        (folder / ".lock").unlink()
    clear_away(folder)
    assert names(folder) == ["last.ckpt"]


def test_a_folder_in_which_a_process_is_at_work_is_left_alone(folder):
    before = names(folder)
    with locked(folder / ".lock"):
        clear_away(folder)
        assert names(folder) == before


def test_the_newest_change_of_a_folder_is_that_of_its_newest_file(folder):
    for seconds, file in enumerate(sorted(path for path in folder.rglob("*"))):
        os.utime(file, (1000 + seconds, 1000 + seconds))
    assert newest_change(folder) == 1000 + len(list(folder.rglob("*"))) - 1
    assert newest_change(folder / "nothing") == 0
