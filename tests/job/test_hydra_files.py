"""What Hydra keeps of a job: the same files as ever, and at no moment a value of the environment in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

SECRET = "hunter2-b4tt3ry-staple"
WITH_SECRET = "+hydra.job.env_set.COPY=${oc.env:PLANTED}"
TINY = ("trainer=cpu", "trainer.max_epochs=1", "model.units=4", "metrics.bootstrap=0", "logger=none")

# Runs in every process of a command: at each opening of a file, looks into all of Hydra's files that there are.
WATCH = f"""
import os, sys
looking = []

def look(event, arguments):
    if looking or event not in ("open", "os.rename", "os.mkdir", "subprocess.Popen"):
        return
    looking.append(event)
    try:
        for folder, _, names in os.walk("outputs"):
            for name in names:
                if name.endswith((".yaml", ".tmp")):
                    with open(os.path.join(folder, name), "rb") as file:
                        if {SECRET.encode()!r} in file.read():
                            os.makedirs("leaks", exist_ok=True)
                            open(os.path.join("leaks", name), "w").close()
    except OSError:
        pass
    finally:
        looking.clear()

sys.addaudithook(look)
"""


@pytest.fixture
def watched(tmp_path):
    """Run `train.py` in processes that look for the secret all the time; return the files it was seen in."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)

    def run(*arguments):
        environment = {
            **os.environ,
            "PLANTED": SECRET,
            "PYTHONPATH": str(tmp_path / "watch"),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "lightune.cli.train", *arguments, *TINY, WITH_SECRET]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        leaks = tmp_path / "leaks"
        return {path.name for path in leaks.iterdir()} if leaks.exists() else set()

    return run


@pytest.mark.long
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param([], id="run"),
        pytest.param(["-m", "seed=0", "search.study=s"], id="study"),
        pytest.param(
            ["-m", "hydra/launcher=fused", "seed=0,1", "search.study=s"], id="fused study", marks=pytest.mark.slow
        ),
        pytest.param(
            ["-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seed=0"],
            id="grid of Hydra",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_no_file_holds_a_secret_at_any_moment(mode, watched, tmp_path):
    assert watched(*mode) == set()
    written = list(tmp_path.rglob("hydra.yaml"))
    assert written
    assert all("COPY: ${oc.env:PLANTED}" in file.read_text() for file in written)


@pytest.fixture
def saved(cli_in, monkeypatch):
    """Return what Hydra's files hold after a command, as plain values."""

    def run(*arguments):
        folder = cli_in(*arguments, *TINY)
        (file,) = folder.rglob("hydra.yaml")
        trees = {name: OmegaConf.load(file.with_name(f"{name}.yaml")) for name in ("config", "hydra", "overrides")}
        return {name: OmegaConf.to_container(tree) for name, tree in trees.items()}

    return run


@pytest.fixture
def cli_in(tmp_path, monkeypatch, capsys):
    """Run the application in this process, in a new folder each time; return that."""
    from lightune.cli import train

    monkeypatch.setenv("PLANTED", SECRET)

    def run(*arguments):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        train.main()
        capsys.readouterr()
        return folder

    return run


@pytest.mark.parametrize(
    "mode", [[], ["-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seed=0"]], ids=["run", "grid of Hydra"]
)
def test_the_files_are_those_that_hydra_would_have_written(mode, saved):
    def comparable(tree):
        tree["hydra"]["hydra"]["runtime"].pop("output_dir")
        tree["hydra"]["hydra"]["runtime"].pop("cwd")
        return tree

    plain, ours = comparable(saved(*mode)), comparable(saved(*mode, WITH_SECRET))
    assert ours["hydra"]["hydra"]["job"].pop("env_set") == {"COPY": "${oc.env:PLANTED}"}
    assert plain["hydra"]["hydra"]["job"].pop("env_set") == {}
    ours["hydra"]["hydra"]["overrides"]["hydra"].remove(WITH_SECRET)
    assert ours == plain


def test_the_file_of_a_multirun_is_the_one_that_hydra_writes(cli_in):
    folder = cli_in("-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seed=0", *TINY, WITH_SECRET)
    (file,) = folder.rglob("multirun.yaml")
    written = OmegaConf.to_container(OmegaConf.load(file))
    assert written["hydra"]["output_subdir"] == ".hydra"
    assert written["hydra"]["job"]["env_set"] == {"COPY": "${oc.env:PLANTED}"}
    assert WITH_SECRET in written["hydra"]["overrides"]["hydra"]
    assert not [line for line in written["hydra"]["overrides"]["hydra"] if "output_subdir" in line]


def test_where_a_job_alone_asks_the_environment_its_file_is_replaced_whole(cli_in, monkeypatch):
    from lightune.job import hydra_files

    written = []
    whole = hydra_files.write_whole
    monkeypatch.setattr(
        hydra_files, "write_whole", lambda path, text: (written.append(path.name), whole(path, text))
    )
    grid = ["-m", "hydra/sweeper=basic", "hydra/launcher=basic", "note=plain,${oc.env:PLANTED}"]
    folder = cli_in(*grid, *TINY)
    assert written == ["hydra.yaml"]
    assert not [file for file in Path(folder).rglob("hydra.yaml") if SECRET in file.read_text()]
