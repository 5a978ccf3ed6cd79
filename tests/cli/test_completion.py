"""Completion in a shell: options of a folder of one's own, and the words of the companion tool."""

import os
import subprocess
import sys

import pytest

from lightune.cli.completion import question_of, wants_file
from lightune.paths import conf_dir

ASKED = ["-sc", "query=bash"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Make a folder of options, as the user's shell sees it."""
    monkeypatch.chdir(tmp_path)
    for place, text in (("model/ours", "units: 3\n"), ("experiment/wide", "# @package _global_\nnote: a\n")):
        file = tmp_path / "my options" / f"{place}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "mine").symlink_to("my options")
    return tmp_path


@pytest.fixture
def typed(monkeypatch):
    """Type a line, up to its end."""

    def type_line(line):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))

    return type_line


MODELS = " ".join(
    sorted(["model=ours", *(f"model={file.stem}" for file in (conf_dir() / "model").glob("*.yaml"))])
)


@pytest.mark.parametrize(
    ("flag", "word", "expected"),
    [
        ("--config-dir mine", "model=", MODELS),
        ("--config-dir=mine", "model=o", "model=ours"),
        ("-cd mine", "experiment=w", "experiment=wide"),
        ("--config-dir 'my options'", "model=o", "model=ours"),
        ("--config-dir mine", "model=ours model.u", "model.units="),
        ("--config-dir nowhere", "model=c", "model=cnn"),
        ("", "model=o", ""),
    ],
)
def test_options_of_a_folder_of_ones_own_are_completed(mine, typed, cli, flag, word, expected):
    typed(f"lightune-train {flag} {word}")
    answer = cli(*ASKED)
    assert (answer.code, answer.out.strip(), answer.err) == (0, expected, "")


@pytest.mark.parametrize("line", ["lightune-train --config-dir ", "lightune-train -m -cd mi"])
def test_a_folder_is_left_to_the_shell(mine, typed, cli, line):
    typed(line)
    assert wants_file(ASKED)
    assert cli(*ASKED) == (0, "", "")


def test_a_quote_that_is_still_open_is_no_obstacle(mine, typed):
    typed("lightune-train --config-dir mine 'note=a")
    assert question_of(ASKED) == [*ASKED, "--config-dir", "mine"]


def test_the_words_of_a_command_that_is_no_question_are_left_alone(mine, typed):
    typed("lightune-train --config-dir mine model=")
    assert question_of(["model=mlp"]) == ["model=mlp"]
    assert not wants_file(["--config-dir"])


@pytest.mark.parametrize(
    ("line", "among", "not_among"),
    [
        ("lightune ", {"list", "best", "evaluate", "predict", "export", "models"}, set()),
        ("lightune be", {"best "}, {"list"}),
        ("lightune evaluate --spl", {"--split "}, {"--json"}),
        ("lightune export s --to ", {"onnx", "torch_export"}, set()),
        ("lightune best ", {"s", "outputs/studies/s"}, {"outputs/runs/run/1"}),
        ("lightune predict ", {"s", "outputs/studies/s", "outputs/runs/run/1"}, set()),
        ("lightune evaluate outputs/r", {"outputs/runs/run/1 "}, {"outputs/studies/s"}),
        ("lightune evaluate oth", {"others/"}, set()),
    ],
)
def test_commands_options_and_what_was_trained_are_completed(study, tmp_path, line, among, not_among):
    pytest.importorskip("argcomplete")
    study("completed,0.5,0.1")
    for folder in ("outputs/runs/run/1/.hydra", "others"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "outputs/runs/run/1/.hydra/config.yaml").touch()
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": "found"}
    asked |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    code = "from lightune.cli.start import tools; tools()"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, cwd=tmp_path, check=True)
    found = set((tmp_path / "found").read_text().split("\n"))
    assert among <= found
    assert not not_among & {word.strip() for word in found}
