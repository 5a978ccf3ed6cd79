from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from hydra_plugins.hydra_lightune.project import ProjectSearchPath
from lightune.config.project import enter_project


def path_of():
    path = ConfigSearchPathImpl()
    path.append("main", "pkg://somebody.conf")
    ProjectSearchPath().manipulate_search_path(path)
    return [(element.provider, element.path) for element in path.get_path()]


def test_an_application_outside_of_projects_keeps_its_path(tmp_path):
    enter_project(tmp_path)
    assert path_of() == [("main", "pkg://somebody.conf")]


def test_the_projects_folder_comes_first(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.lightune]\n")
    (tmp_path / "conf").mkdir()
    enter_project(tmp_path)
    assert path_of() == [("lightune-project", f"file://{tmp_path}/conf"), ("main", "pkg://somebody.conf")]
