import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightune.scaffold.project_files import STARTERS

BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_project_is_written_and_what_to_type_said(tool, tmp_path):
    answer = tool("init", "churn")
    assert answer.code == 0
    assert "churn/conf/model/net.yaml" in answer.out.splitlines()
    assert answer.err == "go on: cd churn && make train\n"
    assert 'starter = "table"' in (tmp_path / "churn" / "pyproject.toml").read_text()


def test_a_starter_is_chosen(tool, tmp_path):
    assert tool("init", "deep/reviews", "--starter", "text").code == 0
    assert "text_csv" in (tmp_path / "deep" / "reviews" / "conf" / "data" / "mine.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "NAME  must be given: the project's folder, whose name is its package's"),
        (["my-churn"], "init  must be a name that a Python package can have, got my-churn; my_churn would be"),
        (["churn", "--starter", "tabel"], "did you mean 'table'?"),
        (["--check"], "--check  there is no project at"),
        (
            ["--check", "--starter", "table"],
            "--starter  is for a new project; --check knows by which one was made",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(tool, tmp_path, words, said):
    answer = tool("init", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not [*tmp_path.iterdir()]


def test_a_new_project_is_as_it_would_be_made(tool, tmp_path, monkeypatch):
    tool("init", "churn")
    monkeypatch.chdir(tmp_path / "churn" / "conf")
    answer = tool("init", "--check")
    assert (answer.code, answer.out) == (0, "nothing has changed since this project was made\n")


def test_another_version_is_shown_as_what_to_take_over(tool, tmp_path):
    tool("init", "churn")
    notes = (tmp_path / "churn" / "pyproject.toml").read_text()
    digest = notes.partition('"train.py" = "')[2].partition('"')[0]
    (tmp_path / "churn" / "pyproject.toml").write_text(notes.replace(digest, "0" * 16))
    (tmp_path / "churn" / "train.py").write_text("import of_before\n")
    answer = tool("init", "churn", "--check")
    assert answer.code == 0
    assert answer.out.startswith("train.py: edited\n--- train.py (here)\n+++ train.py (today)\n")
    assert "-import of_before\n" in answer.out


def test_every_starter_can_be_chosen(tool):
    help_text = tool("init", "--help").out
    assert all(starter in help_text for starter in STARTERS)


@pytest.mark.long
def test_what_the_readme_of_a_project_says_works(tmp_path):
    """Its five commands, one after the other, and what is trained is found by the tool without any flag."""

    def shell(command, folder):
        environment = {
            name: value for name, value in os.environ.items() if name not in ("LIGHTUNE_TRUST", "PYTHONPATH")
        }
        environment |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    shell("lightune init churn", tmp_path)
    project = tmp_path / "churn"
    text = (project / "README.md").read_text()
    commands = [
        line.partition("  #")[0].strip()
        for line in text.partition("```bash\n")[2].partition("```")[0].splitlines()
    ]
    assert len(commands) == 5
    said = {command: shell(command, project) for command in commands}
    assert "study first: 20 of 20 trials finished" in said["make search"]
    assert "experiment=baseline" in said["lightune show first"]
    assert "test/accuracy" in said["lightune evaluate outputs/studies/first"]
    assert "1 passed" in said["make test"]
    assert "study first is finished (20 of 20 trials)" in shell("make search", project)  # typed again, it goes on
    assert "net, resnet" in shell("python train.py --help", project).replace("\n", " ")
