import os

import pytest

from lightune.errors import ConfigError
from lightune.runtime.contained import is_below, require_contained


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    (folder / "trials" / "4").mkdir(parents=True)
    (folder / "trials" / "4" / "result.json").write_text("{}")
    return folder


def test_a_folder_of_folders_and_files_is_contained(study):
    require_contained(study)
    require_contained(study / "not there")


@pytest.mark.parametrize("target", ["..", "../elsewhere", "/", "trials/../../x", "gone/../../x"])
@pytest.mark.parametrize("place", ["4", "trials/4/train.log"])
def test_a_link_that_leads_elsewhere_is_refused(study, tmp_path, place, target):
    (tmp_path / "elsewhere").mkdir()
    (study / place).symlink_to(target if target.startswith("/") else os.path.abspath(study / target))
    with pytest.raises(ConfigError, match="outside of the folder") as refusal:
        require_contained(study)
    assert refusal.value.problems[0].key == str(study / place)


def test_a_link_by_way_of_another_is_followed_to_its_end(study, tmp_path):
    (study / "one").symlink_to("two")
    (study / "two").symlink_to(tmp_path)
    with pytest.raises(ConfigError) as refusal:
        require_contained(study)
    assert len(refusal.value.problems) == 2


def test_links_within_the_folder_and_to_it_stay(study, tmp_path):
    (study / "best").symlink_to("trials/4")
    (study / "absolute").symlink_to(study / "trials")
    (study / "itself").symlink_to(".")
    (tmp_path / "link").symlink_to(study)
    require_contained(study)
    require_contained(tmp_path / "link")


def test_a_pipe_is_refused(study):
    os.mkfifo(study / "trials" / "4" / "train.log")
    with pytest.raises(ConfigError, match="is a pipe"):
        require_contained(study)


@pytest.mark.parametrize("name", ["trials/4", "4", "a/./b"])
def test_names_below(name):
    assert is_below(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "trials/../../x", "/x", "x\0", None, 3, ["x"]])
def test_names_that_are_none(name):
    assert not is_below(name)
