import os
import sys

import pytest

from lightune.config import project
from lightune.config.composing import composing
from lightune.config.project import Project, conf_in_use, enter_project, project_of
from lightune.config.trust import trusted
from lightune.errors import ConfigError


@pytest.fixture
def make(tmp_path):
    def made(text, *, package="mine_here", conf="conf"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / conf / "model").mkdir(parents=True)
        (tmp_path / conf / "model" / "own.yaml").write_text("_target_: mine_here.parts.Net\n")
        (tmp_path / "pyproject.toml").write_text(text)
        return tmp_path

    return made


def problems_of(folder):
    with pytest.raises(ConfigError) as refusal:
        project_of(folder)
    return [(problem.key.rpartition(": ")[2], problem.message) for problem in refusal.value.problems]


def test_a_folder_without_a_table_of_ours_is_no_project(make, tmp_path):
    make('[project]\nname = "other"\n[tool.lightuned]\ntrust = 3\n')
    assert project_of(tmp_path) is None
    assert enter_project(tmp_path) is None
    assert conf_in_use() is None


def test_a_folder_in_a_project_is_of_it(make, tmp_path):
    make('[tool.lightune]\ntrust = ["mine_here"]\n')
    (tmp_path / "outputs" / "deep").mkdir(parents=True)
    assert project_of(tmp_path / "outputs" / "deep") == Project(tmp_path, ("mine_here",), tmp_path / "conf")


@pytest.mark.parametrize("place", ["mine_here", "src/mine_here"])
def test_what_is_entered_is_trusted_found_and_read(make, tmp_path, place):
    make('[tool.lightune]\ntrust = ["mine_here"]\n', package=place)
    enter_project(tmp_path)
    assert "mine_here" in trusted()
    assert str((tmp_path / place).parent) in sys.path
    with composing() as files:
        assert "own" in files.options("model")
        assert files.compose(["model=own"]).model._target_ == "mine_here.parts.Net"
    enter_project(tmp_path.parent)
    with composing() as files:
        assert "own" not in files.options("model")


def test_the_projects_own_option_of_a_name_wins(make, tmp_path):
    make("[tool.lightune]\n")
    (tmp_path / "conf" / "model" / "mlp.yaml").write_text("_target_: lightune.models.MLP\nunits: 7\n")
    enter_project(tmp_path)
    with composing() as files:
        assert files.compose([]).model == {"_target_": "lightune.models.MLP", "units": 7}


def test_what_is_on_the_path_already_does_not_come_twice(make, tmp_path):
    make("[tool.lightune]\n")
    enter_project(tmp_path)
    enter_project(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_all_that_is_wrong_with_the_table_is_said(make, tmp_path):
    make('[tool.lightune]\ntrusts = ["mine_here"]\ntrust = ["no_such_package", "not-a-name"]\nconf = "configs"\n')
    assert problems_of(tmp_path) == [
        ("tool.lightune.trusts", "is no key; trust and conf are. did you mean 'trust'?"),
        (
            "tool.lightune.trust",
            "must name packages beside pyproject.toml, or installed ones; there is no no_such_package",
        ),
        ("tool.lightune.trust", "must be a list of names of packages, such as my_project, got 'not-a-name'"),
        ("tool.lightune.conf", "must be the name of a folder beside pyproject.toml, got 'configs'"),
    ]
    assert "mine_here" not in trusted()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('trust = "mine_here"', "must be a list of names of packages, got 'mine_here'"),
        ("conf = 3", "must be the name of a folder beside pyproject.toml, got 3"),
    ],
)
def test_a_value_of_another_kind_is_refused(make, tmp_path, line, said):
    make(f"[tool.lightune]\n{line}\n")
    assert [message for _, message in problems_of(tmp_path)] == [said]


def test_a_file_that_is_no_toml_is_refused_with_the_place(make, tmp_path):
    make("[tool.lightune]\ntrust = [\n")
    ((_, message),) = problems_of(tmp_path)
    assert message.startswith("cannot be read (")
    assert message.endswith("; mend it, or leave [tool.lightune] away")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_a_file_of_another_user_makes_no_project(make, tmp_path, monkeypatch):
    make('[tool.lightune]\ntrust = ["mine_here"]\n')
    owner = (tmp_path / "pyproject.toml").stat().st_uid
    if owner == 0:
        os.chown(tmp_path / "pyproject.toml", 4242, -1)
    monkeypatch.setattr(project.os, "getuid", lambda: 4343)
    assert project_of(tmp_path) is None
