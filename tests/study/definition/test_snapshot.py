"""The configuration files that a study keeps, and which of them it calls edited."""

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from lightune.study.definition.snapshot import changed_files, snapshot_loader, take_snapshot


@pytest.fixture
def study(files, options, tmp_path):
    """What opens a study of configuration files: loader, folders, snapshot and changes."""

    class Study:
        kept = tmp_path / "study"

        @property
        def loader(self):
            return GlobalHydra.instance().config_loader()

        def snapshot(self, *arguments):
            take_snapshot(self.loader, self.kept, options(*arguments))
            (kept,) = (path for path in (self.kept / "conf").iterdir() if path.name.endswith("_main"))
            return {path.relative_to(kept).as_posix() for path in kept.rglob("*.yaml")}

        def changed(self, *arguments):
            return changed_files(self.loader, self.kept, options(*arguments))

    made = Study()
    made.files = files
    return made


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
