"""Studies whose record is in PostgreSQL; the test starts a server of its own, on loopback."""

import glob
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from lightune.study.storage.backends import open_storage

PASSWORD = "t0p-s3cret"
USER = "researcher"


def program(name):
    """Return a program of the server, which Debian leaves off the path; None if there is no server."""
    return shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))), None)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        program("postgres") is None, reason="there is no PostgreSQL server: apt install postgresql"
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg") is None,
        reason="psycopg is not installed: pip install 'lightune[postgresql]'",
    ),
]


@pytest.fixture
def database():
    """Start a server that any user but root may run, in a temporary folder; return its URL."""
    folder = Path(tempfile.mkdtemp(prefix="lightune-postgres-"))
    as_whom = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_whom = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    own = {**as_whom, "cwd": folder, "stdout": subprocess.DEVNULL}
    login = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={folder}/password"]
    subprocess.run([program("initdb"), "-D", data, *login], check=True, **own)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    log = str(folder / "log")
    subprocess.run([program("pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start"], check=True, **own)
    try:
        yield f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([program("pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop"], check=False, **own)
        shutil.rmtree(folder, ignore_errors=True)


def trials_of(url, app):
    storage = open_storage(url, app.study)
    (study,) = storage.get_all_studies()
    try:
        return storage.get_all_trials(study._study_id)
    finally:
        storage._backend.engine.dispose()


def files_with(text, folder):
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_two_sweepers_share_a_study_in_a_database(app, database):
    arguments = ["x=interval(0,5)", "hydra.sweeper.n_trials=8", f"hydra.sweeper.storage={database}", "sleep=0.5"]
    two = [app.start(*arguments), app.start(*arguments)]
    said = [process.communicate(timeout=180)[0] for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    assert [trial.state.name for trial in trials_of(database, app)] == ["COMPLETE"] * 8
    assert [len(app.starts(number)) for number in range(8)] == [1] * 8
    assert len({start.split()[0] for number in range(8) for start in app.starts(number)}) == 2
    assert files_with(PASSWORD, app.study) == []
    assert not any(PASSWORD in text for text in said)


def test_a_killed_sweeper_leaves_its_trials_to_the_other(app, database):
    arguments = ["x=interval(0,5)", "hydra.sweeper.n_trials=6", f"hydra.sweeper.storage={database}", "sleep=1"]
    first = app.start(*arguments)
    app.wait_for(lambda: (app.study / "0" / "beat.txt").exists())
    second = app.start(*arguments)
    app.wait_for(lambda: (app.study / "1" / "beat.txt").exists())
    first.send_signal(signal.SIGKILL)
    first.communicate()
    said, _ = second.communicate(timeout=180)
    assert second.returncode == 0, said
    assert [trial.state.name for trial in trials_of(database, app)] == ["COMPLETE"] * 6


def test_trials_are_pruned_by_the_database(app, database):
    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.5}"
    app.run("x=1,2,3", pruner, f"hydra.sweeper.storage={database}")
    assert app.column("state") == ["completed", "completed", "pruned"]


@pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not installed: pip install 'lightune[slurm]'"
)
def test_trials_of_a_batch_elsewhere_are_pruned_and_keep_the_password(app, database):
    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.5}"
    launcher = ["hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2"]
    app.run(*launcher, "x=1,2,3,4", pruner, f"hydra.sweeper.storage={database}")
    assert app.column("state") == ["completed", "completed", "pruned", "pruned"]
    assert list((app.study / ".submitit").rglob("*.pkl"))
    assert files_with(PASSWORD, app.study) == []


def test_a_server_that_does_not_answer_is_refused(app, database):
    said = app.run("x=1,2", "hydra.sweeper.storage=postgresql+psycopg://me:hidden@127.0.0.1:1/none", code=2)
    assert "hydra.sweeper.storage: postgresql+psycopg://me:***@127.0.0.1:1/none cannot be opened" in said
    assert "Traceback" not in said
    assert "hidden" not in said
