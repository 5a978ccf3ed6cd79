"""Studies whose own files were removed or damaged between two starts: mended where possible, refused else."""

import json
import re
import shutil
from pathlib import Path

import pytest
from studies import trial_result

pytestmark = pytest.mark.long

SPACE = ["x=1,2,3"]


@pytest.fixture
def cut(app):
    """A study that was killed when one of its three trials was over."""
    process = app.start(*SPACE, "sleep=0.1")
    app.wait_for(lambda: (app.study / "0" / "result.json").exists() and (app.study / "1" / "beat.txt").exists())
    app.kill(process)
    return app


def kept_files(app):
    return sorted(path for path in (app.study / "conf").rglob("*") if path.is_file())


def lose(app, how):
    (file,) = kept_files(app)
    if how == "the whole folder":
        shutil.rmtree(app.study / "conf")
    elif how == "a file":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])


@pytest.mark.parametrize("how", ["the whole folder", "a file", "the end of a file"])
def test_configuration_files_that_are_lost_are_taken_from_todays_if_these_are_the_same(cut, how):
    before = {path: path.read_bytes() for path in kept_files(cut)}
    lose(cut, how)
    said = cut.run(*SPACE, "sleep=0.1")
    assert "were missing or damaged (conf/1_main/config.yaml); today's, which are the same, were taken" in said
    assert {path: path.read_bytes() for path in kept_files(cut)} == before
    assert cut.column("state") == ["completed"] * 3
    assert [len(cut.starts(number)) for number in range(3)] == [1, 2, 1]


@pytest.mark.parametrize("how", ["the whole folder", "a file", "the end of a file"])
def test_configuration_files_that_are_lost_are_asked_for_if_todays_are_others(cut, how):
    lose(cut, how)
    file = cut.folder / "conf" / "config.yaml"
    file.write_text(file.read_text() + "# edited\n")
    said = cut.run(*SPACE, "sleep=0.1", code=2)
    where = "the whole folder conf" if how == "the whole folder" else "conf/1_main/config.yaml"
    assert f"its configuration files are missing or damaged ({where}), and today's are others" in said
    assert "Traceback" not in said
    assert not (cut.study / "trials.csv").exists() or cut.column("state") != ["completed"] * 3


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("the whole folder", "are missing (the whole folder conf)"),
        ("a file", "incomplete or damaged (Cannot find primary config 'config'"),
        ("the end of a file", "incomplete or damaged ("),
    ],
)
def test_a_study_that_began_when_no_hash_was_recorded_says_what_is_lost(cut, how, reason):
    spec = json.loads((cut.study / "study.json").read_text())
    del spec["files"]
    (cut.study / "study.json").write_text(json.dumps(spec))
    lose(cut, how)
    said = cut.run(*SPACE, "sleep=0.1", code=2)
    assert reason in said
    assert "put" in said
    assert "Traceback" not in said


def test_a_study_without_its_description_goes_on_with_the_files_that_it_began_with(cut):
    (cut.study / "study.json").unlink()
    file = cut.folder / "conf" / "config.yaml"
    file.write_text(file.read_text().replace("do: return", "do: raise"))
    cut.run(*SPACE, "sleep=0.1")
    assert cut.column("state") == ["completed"] * 3
    assert (cut.study / "study.json").is_file()


def test_a_study_without_its_description_that_is_refused_keeps_its_trials(cut):
    (cut.study / "study.json").unlink()
    journal = (cut.study / "journal.log").read_bytes()
    assert "began with other overrides" in cut.run("x=1,2", code=2)
    assert (cut.study / "journal.log").read_bytes().startswith(journal)
    cut.run(*SPACE, "sleep=0.1")
    assert cut.column("state") == ["completed"] * 3


def test_a_study_that_has_only_its_results_left_is_not_run_again(app):
    app.run(*SPACE)
    for name in ("study.json", "journal.log"):
        (app.study / name).unlink()
    assert "holds the results of 3" in app.run(*SPACE, code=2)
    assert [len(app.starts(number)) for number in range(3)] == [1, 1, 1]


OURS = ["-m", "search.study=s", "trainer=cpu", "metrics.bootstrap=0", "data=wine", "model.units=4", "seed=0,1"]


def untold(study):
    """Take the ends of all trials out of a study's journal, as a driver leaves it that is killed before them."""
    journal = study / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    ends = re.compile(r'"op_code":6.*"state":[123]|"user_attr":\{"outcome"')
    journal.write_text("".join(line for line in lines if not ends.search(line)))


@pytest.mark.parametrize("launcher", ["basic", "fused"])
@pytest.mark.parametrize("every_seconds", [0, 10])
def test_the_checkpoints_of_a_trial_that_lost_its_result_stay_as_they_are(cli, launcher, every_seconds):
    arguments = [*OURS, "trainer.max_epochs=2", "trainer.precision=64-true", f"hydra/launcher={launcher}",
                 f"callbacks.checkpoint.every_seconds={every_seconds}"]  # fmt: skip
    assert cli(*arguments)[0] == 0
    (study,) = Path("outputs").glob("studies/*")
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in study.rglob("*.ckpt")}
    results = [trial_result(study, number)["objective"] for number in range(2)]
    for number in range(2):
        (study / "trials" / str(number) / "result.json").unlink()
    untold(study)
    assert cli(*arguments)[0] == 0
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in study.rglob("*.ckpt")} == before
    assert [trial_result(study, number)["objective"] for number in range(2)] == results
