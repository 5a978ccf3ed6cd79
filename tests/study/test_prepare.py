"""A study before its first trial: read once, its folder made, found or left as it was."""

import json
from contextlib import ExitStack

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf, open_dict, read_write

from lightune.errors import ConfigError, Problem
from lightune.study.definition import definition as definition_module
from lightune.study.definition.definition import read_definition
from lightune.study.prepare import prepare, undo
from lightune.study.storage.lease import Lease

LOG = ("study.json", "conf", "multirun.yaml", "journal.log", "trials.csv")


@pytest.fixture
def prepared(multirun, tmp_path):
    """Prepare a study as its sweeper does; `said` has the lines that were printed, `folder` is the study's."""
    with ExitStack() as ended:

        def call(*arguments, definition=None):
            with multirun(*arguments) as (config, context, own):
                study = prepare(config, context, own, call.said.append, definition)
            ended.callback(study.lease.end)
            return study

        call.said, call.folder = [], tmp_path / "study"
        yield call


@pytest.fixture
def readings(monkeypatch):
    """The arguments of each reading of a study's space."""
    read, counted = definition_module.read_space, []

    def count(arguments, **how):
        counted.append(list(arguments))
        return read(arguments, **how)

    monkeypatch.setattr(definition_module, "read_space", count)
    return counted


@pytest.mark.parametrize("removed", [(), ("~hydra.callbacks.lightune",)], ids=["judged", "not judged"])
def test_a_new_study_is_read_once_from_the_command_to_its_executor(cli, readings, monkeypatch, tmp_path, removed):
    seen = []

    def refuse(study, *_):
        seen.append(study.space)
        raise ConfigError([Problem("hydra/launcher", "told to")])

    monkeypatch.setattr("lightune.study.sweep.make_executor", refuse)
    swept = ["seed=shuffle(1,2,3)", "optimizer=adam,sgd"]
    code, _, err = cli("-m", *swept, "trainer=cpu", *removed)
    assert (code, "told to" in err) == (2, True)
    assert readings == [[*swept, "trainer=cpu"]]
    assert [dimension.key for dimension in seen[0].dimensions] == ["seed", "optimizer"]


def test_a_study_that_goes_on_is_read_again_from_the_files_that_it_began_with(prepared, readings):
    prepared("x=1,2")
    assert len(readings) == 1
    again = prepared("x=1,2")
    assert (len(readings), again.resumed) == (3, True)  # as asked for, and as it began


def test_what_was_read_before_is_taken_as_it_is(multirun):
    with multirun("x=1,2") as (config, context, own):
        judged = read_definition(config, context.config_loader, own)
        study = prepare(config, context, own, print, judged)
    study.lease.end()
    assert study.space is judged.space


@pytest.mark.parametrize(("key", "value"), [("sweeper.n_trials", 1), ("overrides.task", ["x=3,4"])])
def test_what_a_callback_has_changed_since_the_study_was_read_counts(multirun, key, value):
    with multirun("x=1,2") as (config, context, own):
        judged = read_definition(config, context.config_loader, own)
        with read_write(config.hydra), open_dict(config.hydra):
            OmegaConf.update(config.hydra, key, value)
        study = prepare(config, context, list(config.hydra.overrides.task), print, judged)
    study.lease.end()
    wanted = (1, ["x=1", "x=2"]) if key == "sweeper.n_trials" else (None, ["x=3", "x=4"])
    points = [line for point in study.space.grid() for line in study.space.overrides(point)]
    assert (study.settings.n_trials, points) == wanted


def test_a_prepared_study_has_its_folder_and_knows_of_it(prepared):
    study = prepared("x=interval(0,1)", "hydra.sweeper.n_trials=4")
    assert sorted(path.name for path in prepared.folder.iterdir()) == [
        ".leases", ".study.lock", "conf", "multirun.yaml", "study.json"
    ]  # fmt: skip
    assert (study.folder, study.url, study.resumed, study.kept) == (prepared.folder, None, False, frozenset())
    assert (study.spec.name, study.spec.overrides) == ("study", ["x=interval(0,1)"])
    assert study.spec.space == {"x": {"low": 0.0, "high": 1.0, "log": False}}
    assert study.settings.n_trials == 4
    assert HydraConfig.instance().cfg is None  # of the multirun, which is over
    assert prepared.said == []


@pytest.mark.parametrize(("sweep", "required"), [("x=1,2", False), ("x=interval(0,1)", True)])
def test_the_tasks_of_a_plain_grid_may_return_what_they_like(prepared, sweep, required):
    assert prepared(sweep).settings.objectives[0].required is required


def test_a_study_under_other_overrides_is_refused_and_left_as_it_is(prepared):
    prepared("x=1,2").lease.end()
    before = {path: path.read_bytes() for path in prepared.folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="- x=1,2   \\+ x=1,2,3"):
        prepared("x=1,2,3")
    assert {path: path.read_bytes() for path in prepared.folder.rglob("*") if path.is_file()} == before


def test_an_edit_of_the_files_is_said_and_does_not_change_the_study(prepared, tmp_path):
    prepared("x=1,2")
    file = tmp_path / "conf" / "config.yaml"
    file.write_text(file.read_text().replace("x: 1.0", "x: 1.0\ny: 2"))
    study = prepared("x=1,2")
    (said,) = prepared.said
    assert said.startswith("configuration files were edited since the study began (config.yaml);")
    assert "y" not in study.config


@pytest.fixture
def part(tmp_path, monkeypatch, request):
    """Name code in the current folder in the configuration of the application; return its file."""
    name = f"part_{abs(hash(request.node.nodeid))}"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    with (tmp_path / "conf" / "config.yaml").open("a") as file:
        file.write(f"part: {{_target_: {name}.Net}}\n")
    return tmp_path / f"{name}.py"


def test_an_edit_of_the_code_is_said_with_its_file(multirun, prepared, part):
    began = prepared("x=1,2").spec
    assert part.name in began.code["files"]
    assert prepared("x=1,2").spec.code == began.code
    assert prepared.said == []
    part.write_text("value = 2\n")
    for _ in range(2):
        assert prepared("x=1,2").spec.code == began.code
    assert set(prepared.said) == {
        f"code was edited since the study began ({part.name}): trials from now on are of another version than"
        " those before; put it back, or hydra.sweep.dir=FOLDER begins another study"
    }
    prepared.said.clear()
    part.write_text("value = 1\n")
    prepared("x=1,2")
    assert prepared.said == []


def test_an_edit_of_the_code_may_be_refused_and_changes_nothing(prepared, part):
    prepared("x=1,2").lease.end()
    part.write_text("value = 2\n")
    (kept,) = (prepared.folder / "conf").rglob("config.yaml")
    kept.unlink()  # which would be put back
    before = {path: path.read_bytes() for path in prepared.folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=f"{part.name}.*changed_code=warn"):
        prepared("x=1,2", "hydra.sweeper.changed_code=refuse")
    assert {path: path.read_bytes() for path in prepared.folder.rglob("*") if path.is_file()} == before
    assert prepared.said == []


def test_a_study_that_began_without_a_record_of_its_code_goes_on(prepared, part):
    prepared("x=1,2").lease.end()
    file = prepared.folder / "study.json"
    spec = json.loads(file.read_text())
    del spec["code"]
    file.write_text(json.dumps(spec))
    part.write_text("value = 2\n")
    assert prepared("x=1,2", "hydra.sweeper.changed_code=refuse").resumed
    assert prepared.said == []


def test_a_sampler_that_cannot_be_made_leaves_nothing(prepared):
    with pytest.raises(ConfigError, match="cannot be made"):
        prepared("x=1,2", "hydra/sweeper/sampler=tpe", "+hydra.sweeper.sampler.wrong=1")
    assert not prepared.folder.exists()


def test_a_misspelt_key_leaves_nothing(prepared):
    with pytest.raises(ConfigCompositionException, match="nosuch"):
        prepared("nosuch=1,2")
    assert not prepared.folder.exists()


@pytest.mark.parametrize("recorded", [True, False], ids=["hash recorded", "no hash recorded"])
def test_a_study_whose_snapshot_was_damaged_is_not_removed(prepared, recorded):
    begun = prepared("x=1,2")
    begun.open_store()
    begun.lease.end()
    (prepared.folder / "trials.csv").touch()
    (snapshot,) = (prepared.folder / "conf").rglob("config.yaml")
    sound = snapshot.read_text()
    snapshot.write_text("defaults: [nowhere]\n")
    if recorded:
        prepared("x=1,2")
        assert snapshot.read_text() == sound
        assert "were missing or damaged" in prepared.said[0]
    else:
        spec = json.loads((prepared.folder / "study.json").read_text())
        (prepared.folder / "study.json").write_text(json.dumps({**spec, "files": None}))
        with pytest.raises(ConfigError, match="nowhere"):
            prepared("x=1,2")
    assert all((prepared.folder / name).exists() for name in LOG)


def test_what_killed_writers_left_in_a_studys_folder_is_removed_unless_another_sweeper_may_be_writing(prepared):
    prepared("x=1,2").lease.end()
    (prepared.folder / ".trials.csv.0123.tmp").touch()
    other = Lease(prepared.folder)
    prepared("x=1,2").lease.end()
    assert [path.name for path in prepared.folder.glob(".*.tmp")] == [".trials.csv.0123.tmp"]
    other.end()
    prepared("x=1,2")
    assert list(prepared.folder.glob(".*.tmp")) == []


def test_the_settings_that_a_study_keeps_have_no_password(prepared):
    url = "sqlite:///file:record.db?uri=true&password=hunter2"
    study = prepared("x=1,2", f"hydra.sweeper.storage='{url}'")
    assert (study.settings.storage, study.url) == (url.replace("hunter2", "***"), url)
    assert study.spec.storage == study.settings.storage


def test_a_study_that_is_undone_leaves_nothing(prepared):
    study = prepared("x=1,2")
    undo(study, study.open_store())
    assert not prepared.folder.exists()


def test_what_was_in_the_folder_of_a_study_that_is_undone_stays(prepared):
    prepared.folder.mkdir()
    (prepared.folder / "notes.txt").write_text("mine")
    study = prepared("x=1,2")
    undo(study, study.open_store())
    assert [path.name for path in prepared.folder.iterdir()] == ["notes.txt"]


def test_a_study_that_goes_on_is_not_undone(prepared):
    begun = prepared("x=1,2")
    begun.open_store().ask(set())
    begun.lease.end()
    again = prepared("x=1,2")
    before = sorted(prepared.folder.rglob("*"))
    undo(again, store := again.open_store())
    assert sorted(prepared.folder.rglob("*")) == before
    assert [trial.number for trial in store.records()] == [0]


def test_the_record_by_which_an_earlier_version_hid_the_columns_of_others_is_removed(prepared):
    prepared("x=1,2").lease.end()
    (prepared.folder / "_sweep").mkdir()
    (prepared.folder / "_sweep" / "events.out.tfevents.1").write_bytes(b"")
    prepared("x=1,2")
    assert not (prepared.folder / "_sweep").exists()


def test_a_study_that_another_sweeper_has_joined_is_left_to_it(prepared):
    study = prepared("x=1,2")
    other = Lease(prepared.folder)
    undo(study, store := study.open_store())
    assert store.ask(set()).number == 0  # it is in the storage still
    study.lease.end()
    assert all((prepared.folder / name).exists() for name in ("study.json", "conf", "journal.log"))
    assert [path.name for path in (prepared.folder / ".leases").iterdir()] == [other.name]
    other.end()


def test_a_sweeper_that_has_died_is_no_reason_to_leave_a_study_that_is_undone(prepared):
    study = prepared("x=1,2")
    (prepared.folder / ".leases" / "1-dead").touch()
    undo(study, study.open_store())
    assert not prepared.folder.exists()
