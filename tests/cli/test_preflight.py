import pickle
import sys

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from lightune.cli import preflight, train
from lightune.paths import conf_dir


@pytest.fixture
def train_config(tmp_path, monkeypatch):
    """Compose multiruns of the application as Hydra hands them to its callbacks."""
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()

        def compose(*overrides):
            config = loader.load_configuration("train", list(overrides), run_mode=RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            return config

        yield compose
        HydraConfig.instance().cfg = None


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """Judge a multirun that is refused in the end; return what was said, how often was composed and judged."""
    monkeypatch.chdir(tmp_path)
    counts = {"composed": 0, "judged": 0}

    def counted(name, function):
        def call(*arguments, **more):
            counts[name] += 1
            return function(*arguments, **more)

        return call

    composing = counted("composed", ConfigLoaderImpl.load_sweep_config)
    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", composing)
    monkeypatch.setattr(preflight, "find_problems", counted("judged", preflight.find_problems))

    def call(*overrides):
        monkeypatch.setattr(
            sys, "argv", ["train.py", "-m", "hydra/sweeper=basic", *overrides, "hydra.sweep.dir=../elsewhere"]
        )
        with pytest.raises(SystemExit) as stop:
            train.main()
        assert stop.value.code == 2
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().err, counts["composed"], counts["judged"]

    return call


def test_a_multirun_without_the_group_of_the_search_is_a_study_as_it_is_by_default(train_config):
    found = []
    for words in (["optimizer.lr=1e-3,1e-2"], ["optimizer.lr=1e-3,1e-2", "~search"]):
        callback = preflight.Preflight()
        callback.on_multirun_start(train_config(*words))
        found.append(callback.take_definition())
    assert [(one.is_grid, one.settings.seed, list(one.space.grid())) for one in found] == [
        (True, 0, [{"optimizer.lr": "0.001"}, {"optimizer.lr": "0.01"}])
    ] * 2


def test_a_grid_is_composed_once_for_each_choice_of_options(judged):
    said, composed, count = judged("model=mlp,cnn", "optimizer.lr=1e-3,1e-2", "seed=range(0,5)", "note='5',six")
    assert (composed, count) == (2, 40)
    assert "1 problem" in said


def test_every_value_and_every_pair_of_a_grid_is_judged(judged):
    said, _, _ = judged(
        "optimizer.lr=1e-3,-1", "seed=0,x", "validation.val_fraction=0.2,0.6", "validation.test_fraction=0.2,0.5"
    )
    assert "optimizer.lr " in said
    assert "seed " in said
    assert "(sum < 1), got 0.6 + 0.5" in said


def test_what_is_no_plain_value_is_composed_anew(judged):
    said, composed, _ = judged("model.units=8,[8,8]", "+optimizer.lrr=1,2")
    assert composed >= 2
    assert "optimizer.lrr " in said


def test_a_grid_that_is_wrong_throughout_is_not_judged_to_its_end(judged):
    _, _, count = judged("optimizer.lr=-1", "seed=range(0,50)")
    assert count == 20


def test_what_was_read_of_a_study_is_handed_over_once(train_config):
    callback = preflight.Preflight()
    callback.on_multirun_start(train_config("seed=1,2", "search.seed=7"))
    definition = callback.take_definition()
    assert (definition.arguments, definition.settings.seed) == (("seed=1,2", "search.seed=7"), 7)
    assert callback.take_definition() is None
    pickle.dumps(callback)  # for a worker's process
