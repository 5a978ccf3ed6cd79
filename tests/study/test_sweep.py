"""Whole studies in this process: what is left behind when one is refused at an awkward moment."""

import csv
import errno
import signal
import sys

import pytest
from hydra.core.config_store import ConfigStore

from lightune.errors import ConfigError, Problem, StudyFailedError
from lightune.runtime import atomic_files
from lightune.study.executors import factory
from lightune.study.executors.worker.isolation import as_found
from lightune.study.outcome.outcome import read_status
from lightune.study.outputs import table, writer
from lightune.study.outputs.reader import open_study
from lightune.study.storage.backends import open_storage
from lightune.study.sweep import sweep

REFUSAL = ConfigError([Problem("hydra/launcher", "no process starts on the Ray cluster: told to")])


@pytest.fixture
def study(tmp_path, multirun):
    """Run a study in this process; `ran` has the points of its trials, `argv` the command as it was left."""
    ran = []

    def task(config):
        ran.append(config.x)
        return float(config.x)

    def run(*arguments):
        with as_found(), multirun(*arguments) as (config, context, own):
            try:
                sweep(config, hydra_context=context, task_function=run.task, arguments=own, report=run.report)
            finally:
                run.argv = list(sys.argv)

    run.folder, run.ran, run.task, run.report = tmp_path / "study", ran, task, None
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


def test_an_edit_of_the_code_while_trials_run_is_said_once(study, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "part_of_a_sweep.py").write_text("value = 1")
    with (tmp_path / "conf" / "config.yaml").open("a") as file:
        file.write("part: {_target_: part_of_a_sweep.Net}")
    study.task = lambda config: (tmp_path / "part_of_a_sweep.py").write_text(f"value = {config.x}")
    study("x=1,2,3")
    assert capsys.readouterr().out.count("code was edited while the study ran (part_of_a_sweep.py)") == 1
    study("x=1,2,3")
    out = capsys.readouterr().out
    assert "code was edited since the study began (part_of_a_sweep.py)" in out
    assert "while the study ran" not in out


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
        file = tmp_path / "conf" / "config.yaml"
        file.write_text(f"{file.read_text()}  sweeper: {{storage: '{quoted}'}}\n")
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


def test_a_failed_start_is_kept_and_a_study_that_failed_stays_failed(study, capsys):
    for _ in range(2):
        with pytest.raises(StudyFailedError, match="1 of 1 trial failed"):
            study("x=choice(nan)", "hydra.sweeper.retries=1")
    assert "is finished (1 of 1 trial, 1 of them failed)" in capsys.readouterr().out
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


def test_a_study_whose_trials_have_one_folder_goes_on(study):
    arguments = ["x=interval(1,2)", "hydra.sweep.subdir=one", "hydra.sweeper.max_failures=9"]
    study(*arguments, "hydra.sweeper.n_trials=2")
    study(*arguments, "hydra.sweeper.n_trials=3")
    with (study.folder / "trials.csv").open(newline="") as file:
        rows = [(row["state"], row["error"].partition(";")[0]) for row in csv.DictReader(file)]
    shared = "hydra.sweep.subdir: its folder one is that of trial 0"
    assert rows == [("completed", ""), ("failed", shared), ("failed", shared)]
    assert len(study.ran) == 1


class Disk:
    """Says of what is written below a folder, from some moment on, that there is no room."""

    def __init__(self, monkeypatch):
        self.full, self._patch = None, monkeypatch
        self._write = atomic_files.write_whole
        for module in (atomic_files, table, writer):
            monkeypatch.setattr(module, "write_whole", self._checked, raising=False)

    def _checked(self, target, content):
        if self.full is not None and self.full in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        self._write(target, content)


@pytest.mark.parametrize("name", ["/1/result.json", "trials.csv"])
def test_a_full_disk_stops_a_study_in_one_line_and_the_same_command_goes_on(study, monkeypatch, capsys, name):
    disk = Disk(monkeypatch)
    disk.full = name
    with pytest.raises(StudyFailedError):
        study("x=1,2,3")
    said = capsys.readouterr().out
    line = f"{study.folder} cannot be written: No space left on device; once it can, the same command goes on"
    assert said.count(line) == 1
    assert len(study.ran) < 4
    assert not list((study.folder / ".leases").iterdir())
    disk.full = None
    study("x=1,2,3")
    with (study.folder / "trials.csv").open(newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["completed"] * 3


def test_a_task_that_finds_the_disk_full_stops_the_study_and_no_trial_fails_of_it(study, monkeypatch, capsys):
    full = [True]

    def task(config):
        if config.x == 2 and full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return float(config.x)

    monkeypatch.setattr(study, "task", task)
    with pytest.raises(StudyFailedError):
        study("x=1,2,3")
    said = capsys.readouterr().out
    assert "cannot be written: trial 1: [Errno 28] No space left on device; once it can, the same command" in said
    assert "1 of 3 trials finished, 0 pruned, 0 failed" in said
    full.clear()
    study("x=1,2,3")
    assert "3 of 3 trials finished, 0 pruned, 0 failed" in capsys.readouterr().out


def test_a_result_whose_folder_the_record_does_not_know_is_not_run_again(study):
    study("x=1,2", "hydra.sweeper.n_trials=1")
    journal = study.folder / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if '"user_attr":{"folder"' in line]
    journal.write_text(
        "".join(lines[: places[0]])
    )  # what a driver leaves that is killed before it writes this down
    study("x=1,2")
    assert study.ran == [1, 2]
    with (study.folder / "trials.csv").open(newline="") as file:
        assert [(row["folder"], row["state"]) for row in csv.DictReader(file)] == [
            ("0", "completed"),
            ("1", "completed"),
        ]


def test_results_that_were_lost_are_restored_and_named(study, capsys):
    study("x=1,2,3")
    for number in "02":
        (study.folder / number / "result.json").unlink()
    capsys.readouterr()
    study("x=1,2,3")
    assert "in the folders of trials that are finished (0, 2); what the" in capsys.readouterr().out
    assert [read_status(study.folder / number) for number in "012"] == ["completed"] * 3
    assert study.ran == [1, 2, 3]


class Witness:
    """A report that says what it is told."""

    def __init__(self, study, store):
        self.folder, self.heard = study.folder, []
        Witness.last = self

    def __getattr__(self, name):
        return lambda *_: self.heard.append(name)

    def study_ended(self, ending):
        assert (self.folder / "trials.csv").is_file()  # which it reads
        self.heard.append(f"ended with {len(ending.trials)}")

    def conclude(self):
        print("the last word")


def test_a_report_watches_a_study_and_has_the_last_word(study, capsys):
    study.report = Witness
    study("x=1,2")
    assert [name for name in Witness.last.heard if name != "tick"] == [
        "trial_started", "trial_ended", "trial_started", "trial_ended", "ended with 2",
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines()[-1] == "the last word"
    study("x=1,2")
    assert Witness.last.heard == ["ended with 2"]  # there was nothing left to do
    assert capsys.readouterr().out.splitlines()[-1] == "the last word"


def test_a_report_that_is_switched_off_is_not_made(study):
    study.report = Witness
    Witness.last = None
    study("x=1,2", "hydra.sweeper.report=false")
    assert Witness.last is None


def test_switching_the_report_off_does_not_make_another_study(study):
    study("x=1,2")
    study("x=1,2", "hydra.sweeper.report=false")
    assert study.ran == [1, 2]
