"""The configuration files that a study keeps, and which of them it calls edited."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals
from hydra.types import RunMode

from lightune.study.definition.config_files import chosen_options, reachable
from lightune.study.definition.snapshot import changed_files, snapshot_loader, take_snapshot
from lightune.study.space.space import read_space

FILES = {
    "config.yaml": "defaults: [base, db: mysql, shape@here: flat, optional local: machine, _self_]\nx: 1",
    "base.yaml": "b: 1",
    "db/mysql.yaml": "defaults: [engine: innodb]\nport: 1",
    "db/sqlite.yaml": "port: 2",
    "db/engine/innodb.yaml": "rows: 1",
    "db/engine/wal.yaml": "rows: 2",
    "shape/flat.yaml": "n: 1",
    "plan/small.yaml": "# @package _global_\n"
    "defaults: ['/tool@tool': '${db}_tool', _self_, override /db: sqlite]\nx: 2",
    "tool/sqlite_tool.yaml": "t: 1",
    "unused/other.yaml": "u: 1",
    "notes.yaml": "defaults: [nowhere]",
    "deep/below/data.yaml": "no: 1",
}


@pytest.fixture
def study(tmp_path):
    """Lay out configuration files; return what opens a study of them: options, loader, folder, arguments."""
    folder = tmp_path / "files"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")

    class Study:
        files, kept = folder, tmp_path / "study"

        @property
        def loader(self):
            return GlobalHydra.instance().config_loader()

        def options(self, *arguments):
            config = self.loader.load_configuration("config", list(arguments), run_mode=RunMode.MULTIRUN)
            return chosen_options(config, read_space(arguments, loader=self.loader))

        def snapshot(self, *arguments):
            take_snapshot(self.loader, self.kept, self.options(*arguments))
            (kept,) = (path for path in (self.kept / "conf").iterdir() if path.name.endswith("_main"))
            return {path.relative_to(kept).as_posix() for path in kept.rglob("*.yaml")}

        def changed(self, *arguments):
            return changed_files(self.loader, self.kept, self.options(*arguments))

    with initialize_config_dir(str(folder), job_name="app"):
        setup_globals()
        yield Study()


ALWAYS = {"config.yaml", "base.yaml", "shape/flat.yaml"}
DB = {"db/mysql.yaml", "db/sqlite.yaml", "db/engine/innodb.yaml", "db/engine/wal.yaml"}


def test_a_study_keeps_the_groups_that_its_options_are_of(study):
    assert study.snapshot("x=1,2") == ALWAYS | DB


def test_a_study_keeps_what_a_swept_option_may_bring(study):
    kept = study.snapshot("+plan=small,null")
    assert kept == {*ALWAYS, *DB, "plan/small.yaml", "tool/sqlite_tool.yaml"}
    again = snapshot_loader(study.loader, study.kept)
    (study.files / "tool" / "sqlite_tool.yaml").unlink()
    composed = again.load_configuration("config", ["+plan=small"], run_mode=RunMode.RUN)
    assert (composed.x, composed.here.n, composed.db.port, composed.tool.t) == (2, 1, 2, 1)


def test_a_name_may_be_typed_with_its_suffix(study):
    assert "base" in reachable([study.files], ["config.yaml"])


@pytest.mark.parametrize("name", ["notes.yaml", "new.yaml", "unused/other.yaml", "db/new.yaml", "db/sqlite.yaml"])
def test_files_that_no_trial_reads_are_no_edit(study, name):
    study.snapshot("x=1,2")
    (study.files / name).write_text("port: 7\n")
    assert study.changed("x=1,2") == []


@pytest.mark.parametrize("name", ["config.yaml", "base.yaml", "db/mysql.yaml", "db/engine/innodb.yaml"])
def test_files_that_a_trial_reads_are_edited_and_removed(study, name):
    study.snapshot("x=1,2")
    text = (study.files / name).read_text()
    (study.files / name).write_text(f"# edited\n{text}")
    assert study.changed("x=1,2") == [name]
    (study.files / name).write_text(text)
    assert study.changed("x=1,2") == []


def test_an_option_that_was_missing_and_is_there_now_is_an_edit(study):
    study.snapshot("x=1,2")
    (study.files / "local").mkdir()
    (study.files / "local" / "machine.yaml").write_text("x: 3\n")
    assert study.changed("x=1,2") == ["local/machine.yaml"]


def test_an_edit_of_a_swept_option_counts(study):
    study.snapshot("db=mysql,sqlite")
    (study.files / "db" / "sqlite.yaml").write_text("port: 7\n")
    assert study.changed("db=mysql,sqlite") == ["db/sqlite.yaml"]
