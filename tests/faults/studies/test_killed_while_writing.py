"""Studies that are killed in the middle of a write: what lies half written is cleared away by whoever goes on."""

import signal

import pytest

pytestmark = pytest.mark.long

SPACE = ["x=1,2,3"]


def half_written(app):
    return sorted(path.name for path in app.study.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["multirun.yaml", "study.json", "trials.csv", "best.yaml"])
def test_the_next_start_clears_half_written_files_away(app, sabotage, name):
    sabotage(["fsync"], match=f".{name}.", error="KILL", who="driver")
    assert "KILL" not in app.run(*SPACE, code=-signal.SIGKILL)
    assert sabotage.met.exists()
    assert len(half_written(app)) == 1
    sabotage()
    app.run(*SPACE)
    assert half_written(app) == []
    assert app.column("state") == ["completed"] * 3


def test_what_another_sweeper_writes_is_left_to_it(app, sabotage):
    first = app.start("x=1,2", "sleep=5")
    app.wait_for(lambda: (app.study / "0" / "beat.txt").exists())
    written = app.study / ".trials.csv.0123.tmp"
    written.touch()
    second = app.start("x=1,2", "sleep=5")
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    assert written.exists()
    for process in (first, second):
        process.terminate()
        process.communicate(timeout=60)


def test_the_lease_of_a_killed_sweeper_is_removed_although_nothing_is_left_to_do(app, sabotage):
    sabotage(["rename"], match="best.yaml", error="KILL", who="driver")
    app.run(*SPACE, code=-signal.SIGKILL)
    assert len(list((app.study / ".leases").iterdir())) == 1
    sabotage()
    app.run(*SPACE)
    assert list((app.study / ".leases").iterdir()) == []
