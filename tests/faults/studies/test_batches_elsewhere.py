"""Studies through launchers that take batches to other processes: those of hydra-submitit and hydra-ray."""

import importlib.util
import os
import signal

import pytest

pytestmark = pytest.mark.slow

THRESHOLD = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.5}"

needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not installed: pip install 'lightune[slurm]'"
)
LAUNCHERS = [
    pytest.param("submitit_local", marks=needs_submitit),
    pytest.param(
        "ray",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lightune[ray]'"
        ),
    ),
]


def both_run(app):
    return all((app.study / name / "beat.txt").exists() for name in "01")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_batches_run_at_the_same_time_and_prune(app, launcher):
    said = app.run(f"hydra/launcher={launcher}", "hydra.sweeper.n_jobs=2", "x=1,2,3,4", THRESHOLD, "sleep=1")
    assert app.column("state") == ["completed", "completed", "pruned", "pruned"], said
    assert app.states() == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert app.starts(0)[0].split()[0] != app.starts(1)[0].split()[0]
    assert "is finished" in app.run(f"hydra/launcher={launcher}", "x=1,2,3,4", THRESHOLD, "sleep=1")


@needs_submitit
def test_a_failing_trial_of_a_batch_costs_that_trial_only(app):
    said = app.run("hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2", "do=raise,return", "x=1,2")
    assert app.column("state") == ["failed", "failed", "completed", "completed"], said
    assert app.column("error")[0] == "ValueError: told to"


@needs_submitit
def test_a_crashing_job_of_a_batch_costs_that_trial_only(app):
    said = app.run("hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2", "x=1,2", "do=segv,return")
    assert app.column("state") == ["failed", "completed", "failed", "completed"], said


@needs_submitit
def test_jobs_end_with_their_sweeper_and_the_study_goes_on(app):
    command = ["hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2", "x=1,2,3,4", "sleep=8"]
    process = app.start(*command)
    app.wait_for(lambda: both_run(app) or process.poll() is not None, seconds=120)
    jobs = [app.starts(number)[0].split()[0] for number in (0, 1)]
    app.kill(process)
    app.wait_for(lambda: not any(os.path.exists(f"/proc/{job}") for job in jobs), seconds=30)
    app.run(*command)
    assert app.states() == ["COMPLETE"] * 4
    assert [len(app.starts(number)) for number in range(4)] == [2, 2, 1, 1]


@needs_submitit
def test_a_stopped_batch_goes_on(app):
    command = ["hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2", "x=1,2", "sleep=8"]
    process = app.start(*command)
    app.wait_for(lambda: both_run(app) or process.poll() is not None, seconds=120)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert app.column("state") == ["interrupted"] * 2
    app.run(*command)
    assert app.states() == ["COMPLETE"] * 2
