import pickle

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from lightune.cli import preflight
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


@pytest.mark.parametrize(("rank", "told"), [("0", ["said"]), ("1", ["waited"])])
def test_of_the_processes_of_torchrun_the_first_says_why_and_the_others_wait(monkeypatch, rank, told):
    heard = []
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(preflight, "say", lambda *_, **__: heard.append("said"))
    monkeypatch.setattr(preflight, "await_end", lambda: heard.append("waited"))
    with pytest.raises(SystemExit) as stop:
        preflight.leave_refused("why")
    assert (stop.value.code, heard) == (2, told)


def test_what_was_read_of_a_study_is_handed_over_once(train_config):
    callback = preflight.Preflight()
    callback.on_multirun_start(train_config("seed=1,2", "search.seed=7"))
    definition = callback.take_definition()
    assert (definition.arguments, definition.settings.seed) == (("seed=1,2", "search.seed=7"), 7)
    assert callback.take_definition() is None
    pickle.dumps(callback)  # for a worker's process
