import hydra
import pytest
from hydra import compose as hydra_compose
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

from lightune import compose


def test_composes_what_the_command_line_would_train():
    cfg = compose(["model=cnn", "optimizer.lr=0.5"])

    assert cfg.model._target_ == "lightune.models.CNN"
    assert cfg.optimizer.lr == 0.5
    assert "hydra" not in cfg


def test_options_of_ones_own_are_found(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: mine.Model\n")

    assert compose(["model=mine"], config_dir=tmp_path).model._target_ == "mine.Model"


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
    with pytest.raises(HydraException):
        compose(["no_such_key=1"])

    assert hydra_compose("theirs").x == 1


def test_hydra_is_left_uninitialized_where_it_was():
    assert not GlobalHydra.instance().is_initialized()

    compose([])

    assert not GlobalHydra.instance().is_initialized()
