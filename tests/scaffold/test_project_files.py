import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from lightune import compose, train
from lightune.config.project import enter_project, project_of
from lightune.errors import ConfigError
from lightune.scaffold import project_files
from lightune.scaffold.project_files import STARTERS, changes_since, name_problem, write_project

ELEVEN = {
    ".gitignore", "Makefile", "README.md", "conf/data/mine.yaml", "conf/experiment/baseline.yaml",
    "conf/model/net.yaml", "NAME/__init__.py", "NAME/parts.py", "pyproject.toml", "tests/test_smoke.py",
    "train.py",
}  # fmt: skip


@pytest.fixture
def entered(tmp_path):
    """Return what writes a project and enters it."""

    def made(starter):
        folder = tmp_path / f"own_{starter}"
        write_project(folder, starter)
        enter_project(folder)
        return folder

    return made


@pytest.mark.parametrize("starter", STARTERS)
def test_a_project_has_eleven_files_and_no_word_of_the_template(tmp_path, starter):
    written = write_project(tmp_path / "churn", starter)
    assert {file.replace("churn", "NAME") for file in written} == ELEVEN
    assert {path.relative_to(tmp_path / "churn").as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        *written
    }
    words = "|".join(["my_project", "my_summary", "my_data", "my_accuracy", "my_version"])
    assert not [file for file in written if re.search(words, (tmp_path / "churn" / file).read_text())]


@pytest.mark.parametrize(
    "starter", ["table", *(pytest.param(name, marks=pytest.mark.long) for name in STARTERS if name != "table")]
)
def test_a_baseline_does_better_than_chance(entered, tmp_path, starter):
    entered(starter)
    words = ["experiment=baseline", "trainer=cpu", "trainer.max_epochs=10", f"output_root={tmp_path}/outputs"]
    result = train(compose(words))
    assert result.status in ("completed", "early stopped")
    assert result.metrics["val/accuracy"] > STARTERS[starter].accuracy


@pytest.mark.parametrize("starter", STARTERS)
def test_the_files_are_as_a_linter_wants_them(tmp_path, starter):
    write_project(tmp_path / "churn", starter)
    for words in (["check"], ["format", "--check"]):
        ruff = [Path(sys.executable).parent / "ruff", *words, "--isolated", "--no-cache", "."]
        subprocess.run(ruff, cwd=tmp_path / "churn", check=True, capture_output=True)


def test_the_project_says_what_it_is(tmp_path):
    write_project(tmp_path / "churn", "text")
    read = tomllib.loads((tmp_path / "churn" / "pyproject.toml").read_text())
    assert read["project"]["name"] == "churn"
    assert read["project"]["dependencies"] == [f"lightune>={version('lightune')}"]
    project = project_of(tmp_path / "churn")
    assert (project.packages, project.conf) == (("churn",), tmp_path / "churn" / "conf")
    assert (project.scaffold["starter"], {*project.scaffold["files"]}) == (
        "text",
        {file.replace("NAME", "churn") for file in ELEVEN},
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-churn", "must be a name that a Python package can have, got my-churn; my_churn would be"),
        ("3d", "must be a name that a Python package can have, got 3d"),
        ("class", "must be a name that a Python package can have, got class"),
        ("torch", "must be a name that no other package has, got torch; my_torch would be"),
        ("json", "must be a name that no other package has, got json; my_json would be"),
        ("tests", "must be a name that no other package has, got tests; my_tests would be"),
        ("lightune", "must be a name that no other package has, got lightune; my_lightune would be"),
        ("churn_2", None),
    ],
)
def test_a_name_is_one_that_its_package_can_have(name, said):
    assert name_problem(name) == said


@pytest.mark.parametrize("name", ["my-churn", "torch"])
def test_what_is_refused_writes_nothing(tmp_path, name):
    with pytest.raises(ConfigError, match="must be a name"):
        write_project(tmp_path / name, "table")
    assert not [*tmp_path.iterdir()]


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "notes").write_text("mine")
    with pytest.raises(ConfigError, match=r"there is something at .*churn already; choose another name"):
        write_project(tmp_path / "churn", "table")
    assert [path.name for path in (tmp_path / "churn").iterdir()] == ["notes"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "churn").mkdir()
    assert len(write_project(tmp_path / "churn", "table")) == len(ELEVEN)


class TestChanges:
    """What a newer scaffold would have otherwise."""

    @pytest.fixture
    def project(self, tmp_path):
        write_project(tmp_path / "churn", "table")
        return tmp_path / "churn"

    @pytest.fixture
    def newer(self, monkeypatch):
        """Let what is made today have another Makefile and another network."""
        today = project_files.project_files

        def changed(starter, name):
            files = today(starter, name)
            return files | {
                "Makefile": files["Makefile"].replace("pytest -q", "pytest"),
                f"{name}/parts.py": files[f"{name}/parts.py"] + "# newer\n",
            }

        monkeypatch.setattr(project_files, "project_files", changed)

    def test_there_are_none_in_a_new_project(self, project):
        assert changes_since(project_of(project)) == []

    def test_what_the_user_has_edited_is_none(self, project):
        for file in ("Makefile", "churn/parts.py", "conf/data/mine.yaml"):
            (project / file).write_text("# mine\n")
        (project / "README.md").unlink()
        text = (project / "pyproject.toml").read_text()
        (project / "pyproject.toml").write_text(text.replace("0.1.0", "0.2.0", 1))
        assert changes_since(project_of(project)) == []

    def test_what_is_made_otherwise_today_is_shown(self, project, newer):
        (project / "churn" / "parts.py").write_text("# mine\n")
        made, edited = changes_since(project_of(project))
        assert (made.file, made.state) == ("Makefile", "as it was made")
        assert "-\t$(PYTHON) -m pytest -q\n+\t$(PYTHON) -m pytest\n" in made.difference
        assert (edited.file, edited.state) == ("churn/parts.py", "edited")

    def test_what_was_taken_over_or_deleted(self, project, newer):
        text = (project / "Makefile").read_text()
        (project / "Makefile").write_text(text.replace("pytest -q", "pytest"))
        (project / "churn" / "parts.py").unlink()
        (missing,) = changes_since(project_of(project))
        assert (missing.file, missing.state) == ("churn/parts.py", "missing")

    def test_a_project_of_another_make_is_refused(self, project):
        text = (project / "pyproject.toml").read_text()
        (project / "pyproject.toml").write_text(text.partition("\n[tool.lightune.scaffold]")[0])
        with pytest.raises(ConfigError, match="does not say by which starter the project was made"):
            changes_since(project_of(project))
