"""Every YAML below conf/ is found, composed and validated."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from options import NEEDS_GPU, OPTIONS, overrides_for

from lightune import compose
from lightune.config.static.signatures import REQUIRED, describe
from lightune.config.validate import find_problems
from lightune.paths import conf_dir


def test_there_are_options_to_test():
    assert len(OPTIONS) > 40


@pytest.mark.parametrize("option", sorted(NEEDS_GPU))
def test_an_option_for_gpus_is_sound(option):
    assert find_problems(compose(overrides_for(option))) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_option_says_what_it_is_for(option):
    lines = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ") and "@package" not in line]
    assert comments, "an option begins with a sentence about itself"


@pytest.mark.parametrize("option", OPTIONS)
def test_the_command_in_the_header_is_sound(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8")
    for command in re.findall(r"#\s.*?python train\.py (.*)", text):
        words = [word.strip("'") for word in command.split() if not word.startswith("task._target_=my_package")]
        words = [word for word in words if word != "-m"]
        for word in words:
            if word.startswith(("data.path=", "data.labels=")) or re.fullmatch(r"model\.weights=.*\.pth", word):
                Path(word.partition("=")[2]).touch()
        assert find_problems(compose(words)) == []


def ours():
    """Yield the targets of lightune's own that an option names, with the option's values."""
    for option in OPTIONS:
        node = OmegaConf.to_container(OmegaConf.load(conf_dir() / f"{option}.yaml"))
        group = option.partition("/")[0]
        node = node.get(group, node)
        for key, part in ({"": node} if "_target_" in node else node).items():
            if isinstance(part, dict) and str(part.get("_target_", "")).startswith("lightune."):
                yield pytest.param(part, id=f"{option}.{key}".rstrip("."))


@pytest.mark.parametrize("node", list(ours()))
def test_a_default_in_yaml_is_the_default_of_the_signature(node):
    parameters = describe(node["_target_"]).parameters
    for key, value in node.items():
        default = parameters[key].default if key in parameters else None
        if key.startswith("_") or default is REQUIRED or default is None or "${" in str(value):
            continue
        assert value == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.startswith("experiment/")])
def test_an_experiment_states_what_was_measured(option):
    text = (conf_dir() / f"{option}.yaml").read_text(encoding="utf-8")
    name = option.partition("/")[2]
    assert re.search(rf"#   run     python train\.py (-m )?experiment={name}\b", text)
    assert re.search(r"#   expect  test/\w+ \d", text)
    assert re.search(r"\(.*, seed \d+, \d{4}-\d{2}-\d{2}\)", text)
    assert compose([f"experiment={name}"]).name == name


SETS_ALL = """# @package _global_
trainer: {max_epochs: 9, limit_train_batches: 9, limit_val_batches: 9, limit_test_batches: 9, overfit_batches: 9}
monitor: {metric: val/loss, mode: min}
test: true
callbacks:
  early_stopping: {patience: 9}
  checkpoint: {every_seconds: 9.0, keep: best}
  lr_monitor: {logging_interval: step}
"""
LAST = [option for option in OPTIONS if "/after_experiment/" in option]
EXPERIMENTS = [option.partition("/")[2] for option in OPTIONS if option.startswith("experiment/")]


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("experiment", [*EXPERIMENTS, "sets_all"])
def test_what_wins_over_an_experiment_does_over_every_one_and_loses_to_the_command_line(
    last, experiment, tmp_path
):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "sets_all.yaml").write_text(SETS_ALL)
    group, _, name = last.split("/")
    words = [f"experiment={experiment}", f"{group}={name}"]
    cfg = compose(words, config_dir=tmp_path)
    wanted = OmegaConf.load(conf_dir() / f"{last}.yaml")
    assert OmegaConf.to_container(OmegaConf.masked_copy(cfg, list(wanted))) == OmegaConf.to_container(
        OmegaConf.merge(OmegaConf.masked_copy(cfg, list(wanted)), wanted)
    )
    assert find_problems(cfg) == []
    if name != "none":
        assert compose([*words, "trainer.max_epochs=3"], config_dir=tmp_path).trainer.max_epochs == 3
