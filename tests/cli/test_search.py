"""A study from Python."""

import csv
import signal

import pytest
from hydra.core.hydra_config import HydraConfig

from lightune import compose, load_study, search
from lightune.cli import search as module
from lightune.errors import ConfigError, InterruptedStudy, StudyFailedError, TrialError
from lightune.paths import program_typed
from lightune.study.outputs.command import command_to_go_on
from lightune.study.outputs.reader import open_study

HERE = ["hydra/launcher=basic", "data=wine", "model.units=4", "trainer.max_epochs=1", "logger=none"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def untrained(cfg):
    """Return what a trial would, without training."""
    return cfg.optimizer.lr


@pytest.mark.long
def test_a_study_from_python_is_that_of_the_command_line(cli, capfd):
    before = (HydraConfig.instance().cfg, program_typed())
    study = search(compose(HERE), {"optimizer.lr": [0.1, 0.01]})
    assert [trial.state for trial in study.trials] == ["completed", "completed"]
    assert study.best.reached == study.optuna.best_value
    assert study.report().is_file()
    assert list(study.folder.glob("trials/*/classes_val.csv"))
    assert not list(study.folder.glob("trials/*/*_test.csv"))  # a trial never reads the test part
    assert (HydraConfig.instance().cfg, program_typed()) == before
    again = cli("-m", *HERE, "optimizer.lr=0.1,0.01")
    assert (again.code, f"study {study.folder.name} is finished" in again.out) == (0, True)


def test_the_same_call_goes_on(monkeypatch, capfd):
    monkeypatch.setattr(module, "task", untrained)
    cfg = compose([*HERE, "search=random", "search.study=mine"])
    cfg.seed = 5
    space = {"optimizer.lr": "tag(log,interval(1e-4,1e-1))"}
    first = search(cfg, space, n_trials=2)
    second = search(cfg, space, n_trials=3)
    assert second.folder == first.folder
    assert [trial.values for trial in second.trials[:2]] == [trial.values for trial in first.trials]
    assert len(second.trials) == 3
    assert f"study {first.folder.name} goes on: 2 of 3 trials finished" in capfd.readouterr().out
    cfg.seed = 6
    with pytest.raises(ConfigError, match="began with other overrides"):
        search(cfg, space, n_trials=4)


def test_the_command_that_goes_on_with_it_is_told(monkeypatch, capfd):
    monkeypatch.setattr(module, "task", untrained)
    study = search(compose([*HERE, "search=random"]), {"optimizer.lr": "interval(0.5,1)"}, n_trials=1)
    command = command_to_go_on(study.folder, open_study(study.folder).spec)
    assert command.startswith("lightune-train -m hydra/launcher=basic data=wine")
    assert command.endswith("search=random 'optimizer.lr=interval(0.5,1)' search.n_trials=1")
    assert "lightune-train --config-dir" in (study.folder / "best.yaml").read_text()


@pytest.mark.long
def test_options_of_ones_own_and_a_space_in_yaml_are_searched(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(module, "task", untrained)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    file = tmp_path / "mine" / "experiment" / "rates.yaml"
    file.write_text("# @package _global_\nsearch: {space: {optimizer.lr: 'choice(0.5, 0.25)'}}\n")
    study = search(compose([*HERE, "experiment=rates"], config_dir=tmp_path / "mine"))
    assert [trial.values for trial in study.trials] == [(0.5,), (0.25,)]


def test_all_that_is_wrong_is_raised_at_once_and_nothing_is_written(tmp_path, capfd):
    cfg = compose(["data=wine"])
    cfg.seed = -1
    with pytest.raises(ConfigError) as refusal:
        search(cfg, {"optimizer.lrr": "0.1,0.2", "model.units": [0, 4]})
    assert {problem.key for problem in refusal.value.problems} >= {"optimizer.lrr", "model.units", "seed"}
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("cfg", "space", "said"),
    [
        (["data=wine"], {}, r"search\(compose\(\[...\]\), ...\), got a list"),
        (
            None,
            {"optimizer.lr": 0.1},
            r"optimizer.lr +must be a text such as 'interval\(0,1\)', or a list of values",
        ),
        (None, {"optimizer.lr": []}, r"optimizer.lr .*got \[\]"),
        (None, [("optimizer.lr", "1,2")], r"space +must be a mapping of key: sweep, got list"),
        (None, {"optimizer.lr": "interval(1,2"}, r"optimizer.lr +a value with special characters"),
        (None, {"optimizer.lr": "interval(2,1)"}, r"optimizer.lr"),
    ],
)
def test_what_is_no_search_is_refused(cfg, space, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        search(compose(["data=wine"]) if cfg is None else cfg, space)
    assert list(tmp_path.iterdir()) == []


def test_another_sweeper_is_refused():
    with pytest.raises(ConfigError, match="must be lightune's own"):
        search(compose([*HERE, "hydra/sweeper=basic"]), {"optimizer.lr": [0.1, 0.01]})


def test_a_study_that_comes_to_nothing_is_raised(monkeypatch, capfd):
    def failing(cfg):
        raise TrialError("told to")

    monkeypatch.setattr(module, "task", failing)
    with pytest.raises(StudyFailedError):
        search(compose([*HERE, "search.study=mine"]), {"optimizer.lr": [0.1, 0.01]})
    assert {trial.error for trial in load_study("mine").trials} == {"TrialError: told to"}


@pytest.mark.long
def test_a_study_that_is_stopped_goes_on_with_the_same_call(monkeypatch, capfd):
    def interrupted(cfg):
        if cfg.optimizer.lr == 0.01:
            signal.raise_signal(signal.SIGINT)
        return cfg.optimizer.lr

    monkeypatch.setattr(module, "task", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedStudy, match="the same call goes on") as stopped:
        search(compose(HERE), {"optimizer.lr": [0.1, 0.01, 0.2]})
    assert (stopped.value.exit_code, signal.getsignal(signal.SIGINT)) == (130, before)
    monkeypatch.setattr(module, "task", untrained)
    study = search(compose(HERE), {"optimizer.lr": [0.1, 0.01, 0.2]})
    assert study.folder == stopped.value.folder
    with open(study.folder / "trials.csv", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["completed"] * 3


@pytest.mark.long
@pytest.mark.parametrize("sweep", [[0.1, 0.01], "interval(0.01,0.1)"], ids=["grid", "sampled"])
def test_a_study_that_sweeps_a_group_is_made_longer(monkeypatch, sweep):
    """What the options of a group bring is read with the words that the study began with, but for its length."""
    monkeypatch.setattr(module, "task", untrained)
    space = {"regularization": ["none", "dropout"], "optimizer.lr": sweep}
    first = search(compose([*HERE, "search.study=mine"]), space, n_trials=2)
    assert len(first.trials) == 2
    longer = search(compose([*HERE, "search.study=mine", "search.max_failures=3"]), space, n_trials=3)
    assert [trial.values for trial in longer.trials[:2]] == [trial.values for trial in first.trials]
    assert len(longer.trials) == 3
