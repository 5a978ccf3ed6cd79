import json

import pytest

from lightune.config.schema import GROUPS


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_group_has_one(tool):
    schemas = json.loads(tool("schema").out)
    assert {*GROUPS, "experiment", "search", "local"} == {*schemas}


def test_one_group_is_printed_alone(tool):
    assert json.loads(tool("schema", "model").out)["title"] == "lightune: model"


def test_they_are_written_with_the_setting_that_names_them(tool, tmp_path):
    answer = tool("schema", "--write")
    assert answer.code == 0
    settings = json.loads((tmp_path / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    assert settings["./.schemas/model.json"] == "conf/model/**/*.yaml"
    assert all(json.loads((tmp_path / file).read_text())["title"] for file in settings)


def test_settings_of_ones_own_are_left_and_the_lines_for_them_printed(tool, tmp_path):
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "settings.json").write_text("{} // mine")
    answer = tool("schema", "--write")
    assert (tmp_path / ".vscode" / "settings.json").read_text() == "{} // mine"
    assert '"./.schemas/model.json": "conf/model/**/*.yaml"' in answer.out
    assert answer.err.endswith("settings.json is there already: put the lines above into it\n")


def test_a_folder_of_options_has_its_own_in_them(tool, tmp_path):
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "own.yaml").write_text("_target_: torch.nn.PoissonNLLLoss\n")
    assert "torch.nn.PoissonNLLLoss" in tool("schema", "loss", "--config-dir", "mine").out
    assert "torch.nn.PoissonNLLLoss" not in tool("schema", "loss").out
    tool("schema", "--write", "-cd", "mine")
    settings = json.loads((tmp_path / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    assert settings["./.schemas/loss.json"] == "mine/loss/**/*.yaml"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["modle"], "GROUP  must be one of data, augmentation, model,"),
        (["--config-dir", "nowhere"], "--config-dir  there is no folder"),
    ],
)
def test_what_cannot_be_is_refused(tool, tmp_path, words, said):
    answer = tool("schema", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not [*tmp_path.iterdir()]


def test_what_cannot_be_written_is_said(tool, tmp_path):
    (tmp_path / ".schemas").write_text("a file")
    answer = tool("schema", "--write")
    assert answer.code == 2
    assert "--write  .schemas cannot be written (File exists)" in answer.err
