import sys

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from lightune.cli import judgement, train


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
    monkeypatch.setattr(judgement, "find_problems", counted("judged", judgement.find_problems))

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
