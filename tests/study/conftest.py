"""Studies within one process: their configuration, their record, and the whole of them."""

import sys
from contextlib import contextmanager

import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode

from lightune.paths import conf_dir
from lightune.study.definition.settings import Objective, Settings
from lightune.study.space.reader import read_space
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.trial_store import TrialStore

ONE = (Objective(None, "min"),)
CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: lightune
  - override hydra/launcher: basic
  - override hydra/job_logging: none
x: 1.0
hydra:
  sweep: {dir: study}
"""
SPACE = ("x=interval(0,5)", "y=a,b,c", "z=range(1,10)")


@pytest.fixture
def open_store(tmp_path):
    """Open the record of a study's trials, as a new process would."""
    leases = []

    def store_of(*arguments, folder="study", objectives=ONE, params=None, **settings):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        leases.append(Lease(place))
        return TrialStore(
            open_storage(None, place),
            folder=place,
            space=read_space(arguments or SPACE, params=params or {}),
            settings=Settings(objectives=objectives, **settings),
            lease=leases[-1],
        )

    yield store_of
    for lease in leases:
        lease.end()


@pytest.fixture
def multirun(tmp_path, monkeypatch):
    """Compose a small application's multirun in the test's folder: what Hydra hands to a sweeper, as arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    setup_globals()

    @contextmanager
    def compose(*arguments):
        monkeypatch.setattr(sys, "argv", ["app.py", "-m", *arguments])
        with initialize_config_dir(str(tmp_path / "conf"), job_name="app"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(arguments), run_mode=RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            own = [line for line in arguments if not line.startswith("hydra")]
            try:
                yield config, HydraContext(config_loader=loader, callbacks=Callbacks()), own
            finally:
                HydraConfig.instance().cfg = None

    return compose


@pytest.fixture(scope="module")
def train_multirun():
    """Compose multiruns of the application that trains."""
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        yield lambda *overrides: loader.load_configuration("train", list(overrides), run_mode=RunMode.MULTIRUN)


@pytest.fixture(scope="module")
def settings_of(train_multirun):
    """Read how a multirun of the application that trains searches."""
    return lambda *overrides: Settings.from_config(train_multirun(*overrides))
