"""`study.json`: written when a study begins, read and compared when it goes on."""

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest

from lightune.errors import ConfigError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.definition.spec import Spec, agree, note_total, read_spec, write_spec
from lightune.study.messages import LIGHTUNE, OTHERS
from lightune.study.space.reader import read_space

WORDS = pytest.mark.parametrize(
    ("vocabulary", "another"),
    [(LIGHTUNE, "take another search.study="), (OTHERS, "take another hydra.sweep.dir=")],
    ids=["ours", "another application"],
)


def spec_of(**settings):
    space = read_space(["x=interval(0,1)"], params={"y": {"space": [1, "a"], "when": {"z": True}}, "z": [True]})
    made = Settings(objectives=(Objective("val/loss", "min", required=False),), **settings)
    return Spec.of("name", {"x": "x=interval(0,1)"}, overrides=["x=interval(0,1)"], space=space, settings=made,
                   storage="journal", config="conf", files={"1_main/config.yaml": "0123"})  # fmt: skip


def test_a_study_is_read_as_it_was_written(tmp_path):
    spec = spec_of(sampler={"_target_": "optuna.samplers.RandomSampler"}, seed=7)
    write_spec(tmp_path, spec)
    assert read_spec(tmp_path) == spec
    assert (spec.storage, spec.config, spec.files) == ("journal", "conf", {"1_main/config.yaml": "0123"})
    assert (spec.seed, spec.sampler, spec.pruner) == (7, {"_target_": "optuna.samplers.RandomSampler"}, None)
    assert spec.space["x"] == {"low": 0.0, "high": 1.0, "log": False}
    assert spec.objectives == [{"metric": "val/loss", "mode": "min", "required": False}]
    assert spec.versions.keys() == {"lightune", "optuna"}


def test_a_folder_without_a_study_has_none(tmp_path):
    assert read_spec(tmp_path) is None
    note_total(tmp_path, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_began_before_a_key_was_recorded_is_read(tmp_path):
    write_spec(tmp_path, spec_of())
    content = json.loads((tmp_path / "study.json").read_text())
    for key in ("n_trials", "files"):
        del content[key]
    (tmp_path / "study.json").write_text(json.dumps(content))
    spec = read_spec(tmp_path)
    assert (spec.n_trials, spec.files) == (None, None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "{",
        lambda text: "",
        lambda text: "[]",
        lambda text: '"text"',
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"schema"', '"scheme"'),
        lambda text: text.replace('"seed"', '"sead"'),
    ],
    ids=["cut off", "empty", "a list", "a text", "of another schema", "of no schema", "of another key"],
)
@WORDS
def test_a_damaged_file_is_refused_and_stays(damage, vocabulary, another, tmp_path):
    write_spec(tmp_path, spec_of())
    text = damage((tmp_path / "study.json").read_text())
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_spec(tmp_path, vocabulary)
    (problem,) = refusal.value.problems
    assert problem.key == str(tmp_path / "study.json")
    assert problem.message.startswith("cannot be read (")
    assert problem.message.endswith(f"; restore it, or {another}")
    assert (tmp_path / "study.json").read_text() == text


def test_the_number_of_trials_is_noted_beside_what_is_there(tmp_path):
    spec = spec_of()
    write_spec(tmp_path, spec)
    note_total(tmp_path, 12)
    assert read_spec(tmp_path) == replace(spec, n_trials=12)
    before = (tmp_path / "study.json").stat().st_ino
    note_total(tmp_path, 12)
    assert (tmp_path / "study.json").stat().st_ino == before  # not written again


@WORDS
def test_other_overrides_are_refused_with_the_difference(vocabulary, another):
    began, asked = {"x": "x=1", "y": "y=1", "z": "z=1"}, {"x": "x=1", "y": "y=2", "+w": "+w=1"}
    with pytest.raises(ConfigError) as refusal:
        agree("mine", began, asked, vocabulary)
    (problem,) = refusal.value.problems
    assert problem.key == vocabulary.study
    first, *lines, last = problem.message.splitlines()
    assert first == "the study 'mine' began with other overrides (- began with, + asked for):"
    assert [line.strip() for line in lines] == ["- z=1", "+ +w=1", "- y=1   + y=2"]
    assert last.strip() == f"{another}, or the same overrides"


def test_the_same_overrides_agree():
    agree("mine", {"x": "x=1", "y": "y=1"}, {"y": "y=1", "x": "x=1"})


@pytest.mark.parametrize(
    ("command", "module", "program"),
    [
        ("/usr/bin/lightune-train", None, "lightune-train"),
        ("train.py", None, "python train.py"),
        ("/site/lightune/cli/train.py", "lightune.cli.train", "python -m lightune.cli.train"),
        ("/site/lightune/__main__.py", "lightune.__main__", "python -m lightune"),
    ],
)
def test_a_study_knows_what_it_was_started_with_as_it_is_typed(monkeypatch, command, module, program):
    main = ModuleType("__main__")
    main.__spec__ = SimpleNamespace(name=module) if module else None
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [command])
    assert spec_of().program == program
