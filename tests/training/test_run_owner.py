import pytest

from lightune.errors import ConfigError
from lightune.paths import RUN_LOCK
from lightune.training.run_owner import is_at_work, only_owner


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    with only_owner(tmp_path):
        with (
            pytest.raises(ConfigError, match=f"{tmp_path} +is at work in another process; wait for it or stop it"),
            only_owner(tmp_path),
        ):
            pass
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert list(tmp_path.iterdir()) == []
    with only_owner(tmp_path):
        pass


def test_an_owner_that_fails_lets_go(tmp_path):
    with pytest.raises(RuntimeError), only_owner(tmp_path):
        raise RuntimeError
    with only_owner(tmp_path):
        pass


def test_a_folder_is_at_work_as_long_as_it_has_an_owner_even_if_its_lock_is_removed(tmp_path):
    assert not is_at_work(tmp_path)
    with only_owner(tmp_path):
        assert is_at_work(tmp_path)
        (tmp_path / RUN_LOCK).unlink()
        assert is_at_work(tmp_path)
    assert not is_at_work(tmp_path)
    assert list(tmp_path.iterdir()) == []
