import ast

import hydra
import pytest
from hydra import compose as hydra_compose
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

from lightune import compose
from lightune.errors import ConfigError


def test_composes_what_the_command_line_would_train():
    cfg = compose(["model=cnn", "optimizer.lr=0.5"])

    assert cfg.model._target_ == "lightune.models.CNN"
    assert cfg.optimizer.lr == 0.5
    assert "hydra" not in cfg


def test_options_of_ones_own_are_found(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: mine.Model\n")

    assert compose(["model=mine"], config_dir=tmp_path).model._target_ == "mine.Model"


def test_words_that_are_one_text_are_refused_in_one_line():
    with pytest.raises(
        ConfigError, match=r"overrides +must be a list of texts, as \['data=wine'\], got 'data=wine'"
    ) as refusal:
        compose("data=wine")
    assert len(refusal.value.problems) == 1


def test_a_folder_of_options_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=f"config_dir +there is no folder {tmp_path / 'nowhere'}"):
        compose([], config_dir=tmp_path / "nowhere")


@pytest.fixture
def other_application(tmp_path):
    """Hydra as another application has initialized it."""
    (tmp_path / "theirs.yaml").write_text("x: 1\n")
    with hydra.initialize_config_dir(str(tmp_path), job_name="theirs"):
        yield


def test_an_application_that_is_initialized_composes_afterwards_as_before(other_application):
    compose([])

    assert hydra_compose("theirs").x == 1


def test_an_application_is_as_it_was_after_a_refusal(other_application):
    with pytest.raises(ConfigError):
        compose(["no_such_key=1"])

    assert hydra_compose("theirs").x == 1


def test_hydra_is_left_uninitialized_where_it_was():
    assert not GlobalHydra.instance().is_initialized()

    compose([])

    assert not GlobalHydra.instance().is_initialized()


def test_words_that_do_not_exist_are_refused_as_on_the_command_line_all_at_once():
    with pytest.raises(ConfigError) as refusal:
        compose(["lr=1", "optimizer=adm", "model.units=-4", "note=don't"])
    said = {problem.key: problem.message for problem in refusal.value.problems}
    assert said.keys() == {"lr", "optimizer", "model.units", "note"}
    assert "did you mean 'optimizer.lr'?" in said["lr"]
    assert "did you mean 'adam'?" in said["optimizer"]
    assert "must be a whole number > 0" in said["model.units"]


def test_a_word_is_written_as_python_takes_it():
    with pytest.raises(ConfigError) as refusal:
        compose(["note=don't"])
    (problem,) = refusal.value.problems
    word = ast.literal_eval(problem.message.rpartition(": ")[2])
    assert compose([word]).note == "don't"


def test_a_file_that_cannot_be_composed_is_hydras_to_refuse(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("defaults: [nothing]\n")
    with pytest.raises((HydraException, ConfigError), match="nothing"):
        compose(["model=mine"], config_dir=tmp_path)


def test_another_folder_has_options_of_a_group_of_its_own(tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "one.yaml").write_text("# @package _global_\nnote: one\n")
    with pytest.raises(ConfigError) as refusal:
        compose(["+extra=on"], config_dir=tmp_path)
    assert "did you mean 'one'?" in str(refusal.value)
    assert compose(["+extra=one"], config_dir=tmp_path).note == "one"
