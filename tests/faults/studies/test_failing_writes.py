"""Studies of which a trial's end cannot be written: the sweeper writes it, or the study stops in one line."""

import json

import pytest

pytestmark = pytest.mark.long

SPACE = ["x=1,2,3"]


def words(app):
    """Return what each trial's folder says of its end."""
    files = sorted(app.study.glob("*/result.json"))
    return [
        (content["status"], content["values"]) for content in map(json.loads, (file.read_text() for file in files))
    ]


@pytest.mark.parametrize("call", ["write", "rename", "fsync"])
def test_what_a_worker_cannot_write_the_sweeper_writes(app, sabotage, call):
    sabotage([call], match="1/" if call == "rename" else "1/.result.json", error="EIO", who="worker")
    said = app.run(*SPACE)
    assert sabotage.met.exists()
    assert "Traceback" not in said
    assert app.column("state") == ["completed"] * 3
    assert words(app) == [("completed", [4.0]), ("completed", [1.0]), ("completed", [0.0])]


@pytest.mark.parametrize("error", ["ENOSPC", "EROFS", "EIO"])
def test_what_nobody_can_write_stops_the_study_until_somebody_can(app, sabotage, error):
    sabotage(["write"], match="1/.result.json", error=error, times=None)
    said = app.run(*SPACE, code=1)
    assert "Traceback" not in said
    assert "study cannot be written: " in said
    assert "; once it can, the same command goes on from here" in said
    assert app.states() == ["COMPLETE", "RUNNING"]
    sabotage()
    app.run(*SPACE)
    assert app.column("state") == ["completed"] * 3
    assert words(app) == [("completed", [4.0]), ("completed", [1.0]), ("completed", [0.0])]


def test_a_trial_that_cannot_begin_on_a_full_disk_stops_the_study(app, sabotage):
    sabotage(["mkdir"], match="study/1", error="ENOSPC", times=None)
    said = app.run(*SPACE, code=1)
    assert "Traceback" not in said
    assert "cannot be written: " in said
    assert app.states() == ["COMPLETE", "RUNNING"]
    sabotage()
    app.run(*SPACE)
    assert app.column("state") == ["completed"] * 3
