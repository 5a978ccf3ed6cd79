from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from yaml import YAMLError

from lightune.config.composing import composing, unreadable_files


def test_options_of_a_folder_of_ones_own_are_among_those_of_a_group(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("units: 3\n")
    with composing(tmp_path) as files:
        assert {"mine", "mlp"} <= set(files.options("model"))
        assert files.options("nothing") == []
        assert files.compose(["model=mine"]).model.units == 3
    with composing() as files:
        assert "mine" not in files.options("model")


def test_what_the_application_acts_on_has_hydras_node_and_leaves_sweeps_to_the_jobs():
    with composing() as files:
        config = files.compose_whole(["optimizer.lr=1,2", "seed=3"], multirun=True)
        assert "hydra" not in files.compose([])
    assert config.seed == 3
    assert list(config.hydra.overrides.task) == ["optimizer.lr=1,2", "seed=3"]
    assert not GlobalHydra.instance().is_initialized()


def test_files_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("note: café".encode("latin-1"))
    (tmp_path / "b.yaml").write_text("note: café", encoding="utf-8")
    error = UnicodeDecodeError("utf-8", b"x", 0, 1, "any")
    (problem,) = unreadable_files(tmp_path, error)
    assert problem.key == str(tmp_path / "a.yaml")
    assert "is not UTF-8 text (byte 9 is 0xe9); save it as UTF-8" in problem.message
    assert list(unreadable_files(None, error)) == []


def test_files_that_are_no_yaml_are_named_with_the_place(tmp_path):
    (tmp_path / "a.yaml").write_text("model:\n\tunits: 3\n")
    (tmp_path / "b.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "c.yaml").write_text("a: [1\nb: 2\n")
    (tmp_path / "d.yaml").write_text("")
    (tmp_path / "innocent.yaml").write_text("{{ of }}: another: tool\n")
    (tmp_path / "word.yaml").write_text("3\n")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "a.yaml").write_text("model:\n\tunits: 3\n")
    rules = {
        "a.yaml": "line 2, column 1: found character that cannot start any token; indent with spaces, "
        "not with tabs",
        "b.yaml": "line 2, column 1: found duplicate key a",
        "c.yaml": "line 2, column 2: did not find expected ',' or ']'",
    }
    for name, rule in rules.items():
        with pytest.raises(YAMLError) as raised:
            OmegaConf.load(tmp_path / name)
        told = [(Path(each.key).name, each.message) for each in unreadable_files(tmp_path, raised.value)]
        assert told == [(name, f"is no YAML: {rule}")]
