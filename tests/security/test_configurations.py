"""A configuration of somebody else: it runs nothing that is not trusted, and writes nothing outside."""

import os
import subprocess
import sys

import pytest
import yaml

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "data=wine", "logger=none"]
CSV_LOGGER = "lightune.reporting.csv_logger.ResumableCSVLogger"
WAYS = {
    "run": [],
    "in one process": ["-m", "hydra/launcher=basic", "search.study=s", "seed=0"],
    "in workers": ["-m", "hydra/launcher=local", "search.study=s", "seed=0"],
    "grid": ["-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seed=0"],
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def experiment(tmp_path):
    """Write an experiment as a stranger would send it; return the arguments that choose it."""

    def write(**content):
        folder = tmp_path / "theirs" / "experiment"
        folder.mkdir(parents=True)
        (folder / "x.yaml").write_text("# @package _global_\n" + yaml.safe_dump(content))
        return ["--config-dir", "theirs", "experiment=x", *QUICK]

    return write


@pytest.fixture
def primary(tmp_path):
    """Write a primary configuration as a stranger would send it; return the arguments that choose it."""

    def write(*defaults, **content):
        (tmp_path / "theirs").mkdir()
        text = yaml.safe_dump({"defaults": ["train", *defaults, "_self_"], **content})
        (tmp_path / "theirs" / "best.yaml").write_text(text)
        return ["--config-dir", "theirs", "--config-name", "best", *QUICK]

    return write


def test_a_job_cannot_widen_the_trust(cli, stranger, experiment, way):
    arguments = experiment(
        hydra={"job": {"env_set": {"LIGHTUNE_TRUST": stranger.package, "M": stranger.function}}},
        model={"_target_": "${oc.env:M,lightune.models.MLP}"},
    )
    code, _, err = cli(*way, *arguments)
    assert code == 2, err
    assert "hydra.job.env_set.LIGHTUNE_TRUST" in err
    assert not stranger.mark.exists()


def test_a_target_is_judged_as_the_job_will_find_it(cli, stranger, experiment, way):
    arguments = experiment(
        hydra={"job": {"env_set": {"M": stranger.function}}},
        model={"_target_": "${oc.env:M,lightune.models.MLP}"},
    )
    code, _, err = cli(*way, *arguments)
    assert code == 2, err
    assert f"is not trusted, got {stranger.function}" in err
    assert not stranger.mark.exists()


def test_a_folder_is_judged_as_the_job_will_find_it(cli, outside, experiment, way):
    arguments = experiment(
        hydra={"job": {"env_set": {"P": str(outside.folder)}}},
        logger={
            "csv": {
                "_target_": CSV_LOGGER,
                "save_dir": "${oc.env:P,outputs/a}",
            }
        },
    )
    code, _, err = cli(*way, *arguments[:-1])
    assert code == 2, err
    assert "logger.csv.save_dir  must lie below output_root" in err


def test_arguments_by_their_place_are_judged_like_those_by_name(cli, outside, experiment):
    keeper = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "_args_": [str(outside.folder)]}
    code, _, err = cli(*experiment(callbacks={"keeper": keeper}))
    assert code == 2, err
    assert "callbacks.keeper._args_.0  must lie below output_root" in err


@pytest.mark.parametrize("named_in", ["override", "primary configuration"])
def test_a_search_path_imports_no_package_that_is_not_trusted(cli, stranger, primary, tmp_path, way, named_in):
    place = f"pkg://{stranger.package}"
    arguments = [f"hydra.searchpath=[{place}]", *QUICK]
    if named_in != "override":
        arguments = primary(hydra={"searchpath": [place]})
    code, _, err = cli(*way, *arguments)
    assert code == 2, err
    assert f"hydra.searchpath  is not trusted, got pkg://{stranger.package}" in err
    assert not stranger.mark.exists()
    assert not (tmp_path / "outputs").exists()


def test_a_search_path_of_ones_own_takes_folders_and_trusted_packages(cli, stranger, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTUNE_TRUST", stranger.package)
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "slow.yaml").write_text(
        "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.1\n"
    )
    places = f"hydra.searchpath=[pkg://{stranger.package},file://{tmp_path}/mine]"
    ways = ["-m", "hydra/launcher=basic", "search.study=s", "seed=0"]
    code, out, err = cli(*ways, places, "model=odd", "optimizer=slow", *QUICK)
    assert code == 0, err
    code, out, err = cli(*ways, places, "model=odd", "optimizer=slow", *QUICK)  # again, from the snapshot
    assert code == 0, err
    assert "is finished" in out


def log_to(file, part="handlers", **how):
    """Return logging settings that open a file, of which Hydra makes a handler whichever part it is."""
    kind = {"class": "logging.FileHandler"} if part == "handlers" else {"()": "logging.FileHandler"}
    console = {"class": "logging.StreamHandler"}
    parts = {"handlers": {"console": console}}
    parts.setdefault(part, {})["file"] = {**kind, "filename": str(file), "mode": "w", **how}
    return {"version": 1, "root": {"handlers": [*parts["handlers"]], "level": "INFO"}, **parts}


@pytest.mark.long
@pytest.mark.parametrize("part", ["handlers", "formatters", "filters"])
@pytest.mark.parametrize("log", ["job_logging", "hydra_logging"])
def test_no_log_file_is_opened_elsewhere_whatever_the_configuration_removes(
    cli, outside, primary, tmp_path, way, log, part
):
    callbacks = {"lightune": {"_target_": "torch.nn.Identity"}}
    code, _, err = cli(*way, *primary(hydra={log: log_to(outside.file, part), "callbacks": callbacks}))
    assert code == 2, err
    assert f"hydra.{log}.{part}.file.filename" in err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "how", [{"delay": True, ".": {"baseFilename": "/tmp/elsewhere"}}, {"()": "torch.nn.Identity"}]
)
def test_no_part_of_a_log_is_changed_after_it_was_judged(cli, primary, how):
    code, _, err = cli(*primary(hydra={"job_logging": log_to("outputs/own.log", **how)}))
    assert code == 2, err
    assert "hydra.job_logging.handlers.file." in err


def test_a_trial_opens_no_log_file_that_the_multirun_does_not_have(cli, outside, experiment):
    """The place is a swept value: only a trial that is judged by itself shows it."""
    away = os.path.relpath(outside.file, "outputs/studies/s")
    arguments = experiment(
        note="a.log",
        search={"space": {"note": f"choice('a.log','{away}')"}},
        hydra={"job_logging": log_to("${hydra.sweep.dir}/${note}")},
    )
    code, out, err = cli("-m", "hydra/launcher=basic", "search.study=s", *arguments)
    assert code == 0, err
    assert "must lie below output_root" in out


def test_a_trial_makes_no_folder_elsewhere(cli, outside, experiment):
    arguments = experiment(
        note="a",
        search={"space": {"note": f"choice(a,'{outside.folder}/trials/new')"}},
        hydra={"sweep": {"subdir": "${note}"}},
    )
    code, out, err = cli("-m", "hydra/launcher=basic", "search.study=s", *arguments)
    assert code == 0, err
    assert "must lie below hydra.sweep.dir" in out


def test_logging_settings_of_ones_own_keep_working(cli, tmp_path):
    file = "hydra.job_logging.handlers.file.filename=${hydra.runtime.output_dir}/${hydra.job.name}-own.log"
    code, _, err = cli(*QUICK, "hydra/job_logging=default", file)
    assert code == 0, err
    assert len(list(tmp_path.rglob("train-own.log"))) == 1


def test_variables_of_ones_own_keep_working(cli, tmp_path):
    code, _, err = cli(*QUICK, "+hydra.job.env_set.NAME_OF_IT=seen", "note=${oc.env:NAME_OF_IT}")
    assert code == 0, err


@pytest.mark.parametrize(
    ("setting", "value"),
    [("address", "ray://203.0.113.1:10001"), ("runtime_env", {"worker_process_setup_hook": "evil.m.f"})],
)
def test_a_launcher_takes_commands_from_the_command_line_alone(cli, primary, setting, value):
    node = {"launcher": {"ray": {"init": {setting: value}}}}
    code, _, err = cli(
        "-m", "search.study=s", "seed=0", *primary({"override hydra/launcher": "cluster"}, hydra=node)
    )
    assert code == 2, err
    assert f"hydra.launcher.ray.init.{setting}  decides which code runs" in err


def test_plugins_of_the_current_folder_are_not_imported(stranger, tmp_path):
    """In a process of its own: Hydra looks for plugins once in a process."""
    (tmp_path / "hydra_plugins" / "odd").mkdir(parents=True)
    (tmp_path / "hydra_plugins" / "odd" / "__init__.py").write_text(f"import {stranger.package}\n")
    command = [sys.executable, "-P", "-m", "lightune.cli.train", "--cfg", "job"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lightune.models.MLP" in done.stdout
    assert not stranger.mark.exists()


def test_a_worker_imports_nothing_of_the_current_folder_in_place_of_a_module(stranger, tmp_path):
    from lightune.study.executors.local.worker_handle import Slot, start_worker

    for name in ("pickle", "cloudpickle", "lightune"):
        (tmp_path / f"{name}.py").write_text((tmp_path / stranger.package / "__init__.py").read_text())
    worker = start_worker(Slot(), setup=b"", owner="nobody")
    try:
        worker.process.wait()
    finally:
        worker.end()
    assert not stranger.mark.exists()


def test_the_folder_of_all_output_is_no_way_around_the_rules(cli, outside, primary):
    """Everything lies below a root that is chosen to hold it."""
    keeper = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "dirpath": f"{outside.folder}/trials"}
    code, _, err = cli(
        *primary(
            output_root=str(outside.folder),
            callbacks={"keeper": keeper},
            hydra={"job_logging": log_to(outside.file)},
        )
    )
    assert code == 2, err
    assert "stands in a file, is what a callback or logger writes to" in err
    assert "hydra.job_logging.handlers.file.filename  must lie in the run's own folder" in err


def test_a_study_is_not_made_among_other_files(cli, outside, primary):
    (outside.folder / "conf").mkdir()
    (outside.folder / "conf" / "own.yaml").write_text("years: of work\n")
    before = outside.digest()
    arguments = primary(output_root=str(outside.folder.parent), hydra={"sweep": {"dir": str(outside.folder)}})
    code, _, err = cli("-m", "hydra/launcher=basic", "seed=0", *arguments)
    assert code == 2, err
    assert "hydra.sweep.dir  is no study and holds other things (conf, precious)" in err
    assert outside.digest() == before
    (outside.folder / "conf" / "own.yaml").unlink()
    (outside.folder / "conf").rmdir()


def test_a_file_may_name_a_folder_of_its_own_for_all_output(cli, primary, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "data").write_text("")
    keeper = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "dirpath": "${output_root}/kept"}
    code, _, err = cli(*primary(output_root=f"{tmp_path}/disk/new", callbacks={"keeper": keeper}))
    assert code == 0, err
    code, _, err = cli("--config-dir", "theirs", "--config-name", "best", *QUICK, f"output_root={tmp_path}/disk")
    assert code == 0, err


@pytest.mark.parametrize("subdir", ["${note}", "${hydra.job.override_dirname}"])
def test_a_job_of_a_grid_makes_no_folder_elsewhere(cli, outside, experiment, tmp_path, subdir):
    away = os.path.relpath(outside.folder / "trials" / "new", tmp_path / "outputs" / "studies" / "s" / "note=")
    arguments = experiment(
        note="a",
        hydra={
            "sweep": {"dir": "outputs/studies/s", "subdir": subdir},
            "sweeper": {"params": {"note": f"a,'{away}'"}},
        },
    )
    code, _, err = cli("-m", "hydra/sweeper=basic", "hydra/launcher=basic", *arguments)
    assert code == 2, err
    assert "hydra.sweep.subdir  must lie below hydra.sweep.dir" in err
    assert not (tmp_path / "outputs").exists()
