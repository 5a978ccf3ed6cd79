"""Whole studies in this process: what is left behind when one is refused at an awkward moment."""

import csv
import json
import signal
import sys
import threading
from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.errors import ConfigCompositionException
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from lightune.errors import ConfigError, Problem, StudyFailedError
from lightune.study import sweep as sweep_module
from lightune.study.executors import factory, wrapped_task
from lightune.study.executors.worker.isolation import as_found
from lightune.study.outcome.outcome import read_status
from lightune.study.outputs.reader import open_study
from lightune.study.storage.backends import open_storage
from lightune.study.storage.lease import Lease
from lightune.study.storage.locks import claimed
from lightune.study.sweep import sweep

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
REFUSAL = ConfigError([Problem("hydra/launcher", "no process starts on the Ray cluster: told to")])


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Run a study in this process; `ran` has the points of its trials, `argv` the command as it was left."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    setup_globals()
    ran = []

    def task(config):
        ran.append(config.x)
        return float(config.x)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["app.py", "-m", *arguments])
        with as_found(), initialize_config_dir(str(tmp_path / "conf"), job_name="app"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(arguments), run_mode=RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            context = HydraContext(config_loader=loader, callbacks=Callbacks())
            own = [line for line in arguments if not line.startswith("hydra")]
            try:
                sweep(config, hydra_context=context, task_function=task, arguments=own)
            finally:
                HydraConfig.instance().cfg, run.argv = None, list(sys.argv)

    run.folder, run.ran = tmp_path / "study", ran
    return run


class Breaking:
    """A cluster's pool on which no process starts any more, after one trial."""

    def __init__(self, pool):
        self._pool, self._waits = pool, 0

    def __getattr__(self, name):
        return getattr(self._pool, name)

    def wait(self, seconds):
        self._waits += 1
        if self._waits > 1:
            raise REFUSAL
        return self._pool.wait(seconds)


def test_a_refusal_while_trials_are_under_way_keeps_the_study(study, monkeypatch, capsys):
    make_executor = factory.make_executor
    with monkeypatch.context() as patch:
        patch.setattr("lightune.study.sweep.make_executor", lambda *arguments: Breaking(make_executor(*arguments)))
        with pytest.raises(StudyFailedError, match="cannot run any more"):
            study("x=1,2,3")
    assert "hydra/launcher" in capsys.readouterr().out
    assert all((study.folder / name).exists() for name in ("study.json", "conf", "journal.log", "multirun.yaml"))
    assert not list((study.folder / ".leases").iterdir())
    study("x=1,2,3")
    assert study.ran == [1, 2, 3]


def refused(*arguments):
    raise REFUSAL


@pytest.fixture
def no_room(monkeypatch):
    """Let a cluster have no room for a trial, as is seen when the study has its folder."""
    monkeypatch.setattr("lightune.study.sweep.make_executor", refused)


@pytest.mark.usefixtures("no_room")
def test_a_study_that_is_refused_after_all_leaves_nothing(study):
    with pytest.raises(ConfigError, match="no process starts"):
        study("x=1,2")
    assert not study.folder.exists()


@pytest.mark.usefixtures("no_room")
def test_what_was_in_the_folder_of_a_refused_study_stays(study):
    study.folder.mkdir()
    (study.folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError):
        study("x=1,2")
    assert [path.name for path in study.folder.iterdir()] == ["notes.txt"]


def test_a_refused_study_is_left_to_another_sweeper_that_has_joined_it(study, monkeypatch):
    others = []

    def joined(context, *_):
        others.append(Lease(context.folder))
        raise REFUSAL

    monkeypatch.setattr("lightune.study.sweep.make_executor", joined)
    with pytest.raises(ConfigError):
        study("x=1,2")
    assert all((study.folder / name).exists() for name in ("study.json", "conf", "journal.log"))
    assert [path.name for path in (study.folder / ".leases").iterdir()] == [others[0].name]
    others[0].end()


def test_a_sweeper_that_has_died_is_no_reason_to_leave_a_refused_study(study, monkeypatch):
    def died(context, *_):
        (context.folder / ".leases" / "1-dead").touch()
        raise REFUSAL

    monkeypatch.setattr("lightune.study.sweep.make_executor", died)
    with pytest.raises(ConfigError):
        study("x=1,2")
    assert not study.folder.exists()


def test_a_refusal_of_a_study_that_goes_on_leaves_it_as_it_is(study, monkeypatch):
    study("x=1,2,3", "hydra.sweeper.n_trials=1")
    before = sorted(study.folder.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("lightune.study.sweep.make_executor", refused)
        with pytest.raises(ConfigError):
            study("x=1,2,3", "hydra.sweeper.n_trials=3")
    assert sorted(study.folder.rglob("*")) == before
    study("x=1,2,3", "hydra.sweeper.n_trials=3")
    assert study.ran == [1, 2, 3]


@pytest.mark.parametrize("recorded", [True, False], ids=["hash recorded", "no hash recorded"])
def test_a_study_whose_snapshot_was_damaged_is_not_removed(study, recorded):
    study("x=1,2")
    (snapshot,) = (study.folder / "conf").rglob("config.yaml")
    sound = snapshot.read_text()
    snapshot.write_text("defaults: [nowhere]\n")
    if recorded:
        study("x=1,2")
        assert snapshot.read_text() == sound
    else:
        spec = json.loads((study.folder / "study.json").read_text())
        (study.folder / "study.json").write_text(json.dumps({**spec, "files": None}))
        with pytest.raises(ConfigError, match="nowhere"):
            study("x=1,2")
    assert all((study.folder / name).exists() for name in ("study.json", "conf", "journal.log", "trials.csv"))


def test_a_misspelt_key_leaves_nothing(study):
    with pytest.raises(ConfigCompositionException, match="nosuch"):
        study("nosuch=1,2")
    assert not study.folder.exists()


@pytest.mark.parametrize(
    ("given", "password"),
    [
        ("hydra.sweeper.storage={}", "hunter2/x y@z"),
        ("++search={{storage: {}}}", "hunter2'x"),
        ("in YAML", "hunter2'x"),
        ("+db=hydras_of_a_package", "hunter2'x"),
        ("+db=ours_of_a_package", "hunter2'x"),
    ],
)
def test_a_password_is_written_nowhere(study, given, password, tmp_path, monkeypatch):
    url = f"sqlite:///file:record.db?uri=true&password={password}"
    arguments = ["x=1,2"]
    if given == "in YAML":
        quoted = url.replace("'", "''")
        (tmp_path / "conf" / "config.yaml").write_text(f"{CONFIG}  sweeper: {{storage: '{quoted}'}}\n")
    else:
        quoted = url.replace("'", r"\'")
        arguments.append(given.format(f"'{quoted}'"))
    known = ConfigStore.instance()
    monkeypatch.setattr(known, "repo", dict(known.repo))
    for name, node in (
        ("hydras", {"hydra": {"sweeper": {"storage": url}}}),
        ("ours", {"search": {"storage": url}}),
    ):
        known.store(f"{name}_of_a_package", node, group="db", package="_global_", replace=True)
    study(*arguments)
    study(*arguments)
    assert study.ran == [1, 2]
    left = [path for path in study.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert (left, "hunter2" in " ".join(study.argv)) == ([], False)


def test_a_study_that_is_refused_after_all_leaves_nothing_in_a_database(study, monkeypatch):
    storage = "hydra.sweeper.storage=sqlite:///record.db"
    with monkeypatch.context() as patch:
        patch.setattr("lightune.study.sweep.make_executor", refused)
        with pytest.raises(ConfigError, match="no process starts"):
            study("x=1,2", storage)
    study("x=3,4", storage)  # another one of its name
    assert study.ran == [3, 4]


def test_a_study_that_is_refused_with_another_storage_leaves_nothing_there(study):
    study("x=1,2")
    with pytest.raises(ConfigError, match="knows of no trial"):
        study("x=1,2", "hydra.sweeper.storage=sqlite:///other.db")
    assert open_storage("sqlite:///other.db", study.folder).get_all_studies() == []


class Crashing:
    """A launcher whose first job crashes while the second runs: it raises, and leaves the second to itself."""

    def __init__(self, crashed):
        self._crashed, self._begun = crashed, threading.Event()
        self.second = threading.Thread(target=self._run)

    def setup(self, *, hydra_context, task_function, config):
        self._task = task_function

    def launch(self, job_overrides, initial_job_idx):
        self._task._task = self._second
        self.second.start()
        assert self._begun.wait(20)
        raise RuntimeError("the first job crashed")

    def _run(self):
        self._task(OmegaConf.create())

    def _second(self, config):
        self._begun.set()
        assert self._crashed.wait(20)
        return 7.0


def test_a_batch_whose_first_job_crashes_is_over_when_its_second_is(study, monkeypatch):
    settling = threading.Event()

    def settle(folder, number):
        settling.set()
        return claimed(folder, number)

    launcher = Crashing(settling)
    job = SimpleNamespace(num=1)
    second = SimpleNamespace(job=job, runtime=SimpleNamespace(output_dir=str(study.folder / "1")))
    monkeypatch.setattr(wrapped_task, "HydraConfig", SimpleNamespace(get=lambda: second))
    monkeypatch.setattr(factory, "claimed", settle)
    monkeypatch.setattr(factory.Plugins.instance(), "instantiate_launcher", lambda **_: launcher)
    study("x=1,2", "hydra.sweeper.n_jobs=2", "hydra.sweeper.max_failures=1")
    launcher.second.join(20)
    with (study.folder / "trials.csv").open(newline="") as file:
        rows = [(row["state"], row["value"]) for row in csv.DictReader(file)]
    assert rows == [("failed", ""), ("completed", "7.0")]


def test_a_failed_start_is_kept_and_a_study_that_failed_stays_failed(study, capsys):
    for _ in range(2):
        with pytest.raises(StudyFailedError, match="1 of 1 trials failed"):
            study("x=choice(nan)", "hydra.sweeper.retries=1")
    assert "is finished (1 of 1 trials, 1 of them failed)" in capsys.readouterr().out
    assert len(study.ran) == 2
    trial = study.folder / "0"
    assert all(read_status(folder) == "failed" for folder in (trial, trial / "attempts" / "1"))


def test_a_signal_before_anything_runs_ends_a_study_that_goes_on_later(study, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("lightune.study.sweep.make_executor", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(SystemExit) as left:
            study("x=1,2")
    assert left.value.code == 130
    assert open_study(study.folder).progress() == "0 of 2 trials, unfinished"
    assert not list((study.folder / ".leases").iterdir())
    study("x=1,2")
    assert study.ran == [1, 2]
    assert open_study(study.folder).progress() == "2 trials"


def test_what_killed_writers_left_in_a_studys_folder_is_removed_unless_another_sweeper_may_be_writing(study):
    study("x=1,2", "hydra.sweeper.n_trials=1")
    (study.folder / ".trials.csv.0123.tmp").touch()
    other = Lease(study.folder)
    study("x=1,2", "hydra.sweeper.n_trials=1")
    assert [path.name for path in study.folder.glob(".*.tmp")] == [".trials.csv.0123.tmp"]
    other.end()
    study("x=1,2")
    assert list(study.folder.glob(".*.tmp")) == []
    assert study.ran == [1, 2]


def test_the_settings_that_a_study_keeps_have_no_password(study, monkeypatch):
    seen = []
    make = sweep_module.make_executor

    def spy(context, *arguments):
        seen.append((context.settings.storage, context.url))
        return make(context, *arguments)

    monkeypatch.setattr(sweep_module, "make_executor", spy)
    url = "sqlite:///file:record.db?uri=true&password=hunter2"
    study("x=1,2", f"hydra.sweeper.storage='{url}'")
    assert seen == [(url.replace("hunter2", "***"), url)]
