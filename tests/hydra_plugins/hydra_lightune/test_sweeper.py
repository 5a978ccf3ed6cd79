from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from hydra_plugins.hydra_lightune.sweeper import LightuneSweeper, LightuneSweeperConf
from lightune.errors import ConfigError, Problem, StorageError, StudyFailedError
from lightune.report.study_report import StudyReport
from lightune.study import sweep as study


def context(*callbacks):
    return SimpleNamespace(callbacks=SimpleNamespace(callbacks=callbacks))


@pytest.fixture
def sweeper():
    made = LightuneSweeper()
    made.setup(hydra_context=context(), task_function="task", config="config")
    return made


JUDGE = SimpleNamespace(take_definition=lambda: "what was read")


@pytest.mark.parametrize(
    ("callbacks", "definition"), [((object(), JUDGE), "what was read"), ((object(),), None), ((), None)]
)
def test_a_multirun_is_a_study_of_what_hydra_and_a_judging_callback_handed_over(
    sweeper, monkeypatch, callbacks, definition
):
    swept = []
    monkeypatch.setattr(study, "sweep", lambda config, **how: swept.append((config, how)) or [["returned"]])
    sweeper.hydra_context = context(*callbacks)
    assert sweeper.sweep(["x=1,2"]) == [["returned"]]
    how = {"task_function": "task", "arguments": ["x=1,2"], "definition": definition, "report": StudyReport}
    assert swept == [("config", {"hydra_context": sweeper.hydra_context, **how})]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError([Problem("search.study", "is another")]), 2, "search.study  is another"),
        (StorageError("search.storage: cannot be opened"), 2, "search.storage: cannot be opened"),
        (StudyFailedError("its trials cannot run"), 1, ""),
    ],
)
def test_what_refuses_a_study_is_said_and_ends_the_program(sweeper, monkeypatch, capsys, error, code, said):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(study, "sweep", refuse)
    with pytest.raises(SystemExit) as stop:
        sweeper.sweep([])
    assert stop.value.code == code
    assert said in capsys.readouterr().err


def test_its_settings_follow_the_search_and_the_monitor_where_there_are():
    node = OmegaConf.structured(LightuneSweeperConf())
    plain = OmegaConf.create({"sweeper": node}).sweeper
    assert (plain.mode, plain.max_failures, plain.n_trials, plain.seed) == ("min", 0.5, None, 0)
    root = {"search": {"n_trials": 7}, "monitor": {"metric": "val/f1", "mode": "max"}, "sweeper": node}
    ours = OmegaConf.create(root).sweeper
    assert (ours.mode, ours.metric, ours.n_trials) == ("max", "val/f1", 7)
