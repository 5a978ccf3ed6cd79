import json
import logging
import os
import subprocess
import sys

import pytest
import torch
import yaml
from command_line import run_tool
from curves import session_start
from file_runs import QUICK, SMALL, write_source
from omegaconf import OmegaConf

from lightune.checkpoints import read_checkpoint
from lightune.runtime.last_digits import PORTABLE, VARIABLES

SHORT = ["trainer=cpu", "trainer.max_epochs=2"]


@pytest.fixture
def own_package(tmp_path, monkeypatch, request):
    """Write a package of the user's own into the current folder, and trust it by name."""
    name = f"own_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.setenv("LIGHTUNE_TRUST", name)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


OWN = """
import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, input_shape, num_outputs, width: int = 16):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Tanh(), nn.Linear(width, num_outputs))

    def forward(self, x):
        return self.layers(x)


class Points(LightningDataModule):
    input_shape = (2,)
    num_classes = 2

    def __init__(self, samples: int = 64):
        super().__init__()
        x = torch.randn(samples, 2, generator=torch.Generator().manual_seed(0))
        self.points = TensorDataset(x, (x[:, 0] > 0).long())

    def train_dataloader(self):
        return DataLoader(self.points, batch_size=16)

    val_dataloader = test_dataloader = train_dataloader


class Line(LightningModule):
    def __init__(self, lr: float = 0.1):
        super().__init__()
        self.save_hyperparameters()
        self.line = nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.binary_cross_entropy_with_logits(self.line(batch[0])[:, 0], batch[1].float())
        return loss

    def validation_step(self, batch, batch_idx):
        right = (self.line(batch[0])[:, 0] > 0) == batch[1].bool()
        self.log("val/accuracy", right.float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


class Wines(LightningModule):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(13, 3)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.line(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/accuracy", (self.line(batch[0]).argmax(dim=1) == batch[1]).float().mean())

    def test_step(self, batch, batch_idx):
        loss = self.training_step(batch, batch_idx)
        self.log("test/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
"""


def runs(tmp_path):
    return sorted((tmp_path / "outputs").rglob("result.json"))


def test_the_row_of_a_run_calls_parts_by_the_options_that_were_typed(cli, tmp_path):
    code, _, err = cli("optimizer=sgd", "model.units=[8,4]", "regularization=dropout", *SHORT)
    assert code == 0, err
    (result,) = (tmp_path / "outputs" / "runs").rglob("result.json")
    row = session_start(result.parent)
    shown = {key: row.hparams[key].string_value for key in ("optimizer", "model", "data", "regularization")}
    assert shown == {"optimizer": "sgd", "model": "mlp", "data": "digits", "regularization": "dropout"}
    assert row.hparams["model.units"].string_value == "[8,4]"
    assert row.group_name == f"run/{result.parent.name}"


def test_a_run_says_what_came_of_it_in_plain_lines(cli, tmp_path):
    code, out, err = cli(*SHORT)
    assert code == 0
    assert "epoch 1/2  train/loss" in out
    for word in (
        "status",
        "val/accuracy",
        "test/accuracy",
        "time",
        "outputs/runs/run/",
        "tensorboard --logdir outputs",
    ):
        assert word in out
    assert "\x1b" not in out
    for noise in (
        "GPU available",
        "TPU",
        "litlogger",
        "litmodels",
        "💡",
        "Seed set",
        "does not have many workers",
        "Warning",
    ):
        assert noise not in out + err
    (result,) = runs(tmp_path)
    hydra_files = {path.name for path in (result.parent / ".hydra").iterdir()}
    assert hydra_files == {"config.yaml", "hydra.yaml", "overrides.yaml"}


@pytest.mark.filterwarnings("ignore")
def test_a_job_that_works_in_its_folder_reads_and_shows_paths_as_they_are_typed(cli, tmp_path):
    source = write_source("image", tmp_path)
    quick = [word for word in QUICK if word != "logger=none"]
    words = [*SMALL["image"], *quick, f"data.path={source.name}", "hydra.job.chdir=true", "metrics.bootstrap=0"]
    run = cli(*words, "name=alone", "output_root=out puts")
    assert run.code == 0, run.err
    folder = next((tmp_path / "out puts" / "runs" / "alone").iterdir())
    shown = dict(line.split(maxsplit=1) for line in run.out.splitlines() if line.startswith(("folder", "look")))
    assert shown["folder"] == str(folder.relative_to(tmp_path))
    assert shown["look"].endswith("tensorboard --logdir 'out puts'")
    study = cli("-m", *words, "seed=0,1", "hydra/launcher=basic")
    assert "2 of 2 trials finished, 0 pruned, 0 failed" in study.out
    assert sorted(os.listdir()) == ["files", "out puts", "outputs"]
    for root in ("out puts", "outputs"):
        assert list((tmp_path / root).rglob("cache")) == [tmp_path / root / "cache"]


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_what_could_be_searched_says_that_it_does_not(cli):
    code, out, _ = cli("+search.space={optimizer.lr:[0.1,0.2],seed:[1,2]}", "trainer=smoke")
    assert code == 0
    said = (
        "search.space (optimizer.lr, seed) is not searched without -m; this is one run, of the values that stand"
    )
    assert said == out.splitlines()[0]
    assert "-m" not in cli("trainer=smoke")[1]


@pytest.mark.filterwarnings("ignore")
def test_a_launcher_that_launches_nothing_is_told_of(cli):
    code, out, _ = cli("hydra/launcher=fused", "trainer=smoke")
    said = "hydra/launcher=fused starts nothing without -m; this is one run, in this process"
    assert (code, out.splitlines()[0]) == (0, said)


def test_verbose_brings_everything_back(cli, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("pytorch_lightning"), "propagate", True)  # to where the test reads it
    cli(*SHORT)
    assert "GPU available" not in caplog.text
    cli(*SHORT, "hydra.verbose=true")
    assert "GPU available" in caplog.text


@pytest.mark.long
def test_the_stock_optuna_sweeper_gets_the_objective(cli, tmp_path):
    arguments = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1"]  # in warm workers
    direction = "hydra.sweeper.direction=maximize"
    code, _, _ = cli("-m", *SHORT, *arguments, direction, "optimizer.lr=interval(1e-4,1e-1)")
    assert code == 0
    values = [json.loads(path.read_text())["objective"]["value"] for path in runs(tmp_path)]
    assert len(values) == 3
    (best,) = (tmp_path / "outputs").rglob("optimization_results.yaml")
    assert yaml.safe_load(best.read_text())["best_value"] == pytest.approx(max(values))


def test_a_model_of_ones_own_stands_in(cli, tmp_path, own_package):
    net = "{_target_: %s.Net, width: 8}" % own_package  # noqa: UP031 - braces
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "net.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(net)))
    code, _, err = cli("--config-dir", "mine", *SHORT, "model=net", "model.width=12")
    assert code == 0, err
    config = OmegaConf.load(runs(tmp_path)[0].parent / ".hydra" / "config.yaml")
    assert config.model == {"_target_": f"{own_package}.Net", "width": 12}


def test_a_task_and_data_of_ones_own_stand_in(cli, tmp_path, own_package):
    for group, name in (("task", "Line"), ("data", "Points")):
        (tmp_path / "mine" / group).mkdir(parents=True)
        (tmp_path / "mine" / group / "own.yaml").write_text(f"_target_: {own_package}.{name}\n")
    code, out, err = cli("--config-dir", "mine", *SHORT, "task=own", "+task.lr=0.5", "data=own")
    assert code == 0, out + err
    result = json.loads(runs(tmp_path)[0].read_text())
    assert result["objective"]["value"] > 0.8
    assert result["checkpoint"] == "checkpoints/best.ckpt"
    code, out, _ = cli("--config-dir", "mine", *SHORT, "task=supervised", "data=own")
    assert code == 0, out + err


def test_a_task_of_ones_own_may_return_its_loss_from_a_test_of_lightunes_data(cli, tmp_path, own_package):
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "own.yaml").write_text(f"_target_: {own_package}.Wines\n")
    code, out, err = cli("--config-dir", "mine", *SHORT, "task=own", "data=wine")
    assert code == 0, out + err
    (file,) = runs(tmp_path)
    assert "test/loss" in json.loads(file.read_text())["metrics"]
    assert not (file.parent / "predictions.csv").exists()


def test_code_of_ones_own_that_is_not_trusted_is_not_run(cli, tmp_path, own_package, monkeypatch):
    monkeypatch.delenv("LIGHTUNE_TRUST")
    marker = tmp_path / "marker"
    (tmp_path / f"{own_package}.py").write_text(f"open({str(marker)!r}, 'w')\n" + OWN)
    code, _, err = cli(f"task._target_={own_package}.Line")
    assert code == 2
    assert f"start with LIGHTUNE_TRUST={own_package}" in err
    assert not marker.exists()


@pytest.mark.parametrize(
    "node",
    [
        "{_target_: os.system, _args_: ['touch MARKER']}",
        "{_target_: builtins.open, _args_: [MARKER, w]}",
        "{_target_: pathlib.Path.touch, _args_: [MARKER]}",
        "{_target_: torch.load, f: MARKER, weights_only: false}",
        "{_target_: torch.hub.load, repo_or_dir: MARKER, source: local, model: x}",
        "{_target_: lightune.data.images.os.system, _args_: ['touch MARKER']}",
        "{_target_: os.system, _execution_whitelist_: ['os.*'], _args_: ['touch MARKER']}",
    ],
)
def test_code_outside_the_whitelist_does_not_run(cli, tmp_path, node):
    marker = tmp_path / "marker"
    code, _, err = cli(*SHORT, f"+callbacks.evil={node.replace('MARKER', str(marker))}")
    assert code == 2
    assert "callbacks.evil" in err
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_secrets_from_the_environment_are_saved_nowhere(cli, tmp_path, monkeypatch):
    secret = "hunter2-b4tt3ry-staple"
    monkeypatch.setenv("PLANTED", secret)
    code, _, err = cli(
        *SHORT,
        "note=${oc.env:PLANTED}",
        "tags=['${oc.env:PLANTED}']",
        "output_root=out/${oc.env:PLANTED}",
        "+hydra.job.env_set.COPY=${oc.env:PLANTED}",
        "hydra.verbose=true",
    )
    assert code == 0, err
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) >= 8
    for path in files:
        assert secret.encode() not in path.read_bytes(), path
    (hydra_yaml,) = (path for path in files if path.name == "hydra.yaml")
    assert "COPY: ${oc.env:PLANTED}" in hydra_yaml.read_text()


@pytest.mark.long
def test_secrets_do_not_leak_from_a_sweep(cli, tmp_path, monkeypatch):
    secret = "hunter2-b4tt3ry-staple"
    monkeypatch.setenv("PLANTED", secret)
    code, _, err = cli(
        "-m", *SHORT, "seed=0,1", "note=${oc.env:PLANTED}", "+hydra.job.env_set.COPY=${oc.env:PLANTED}"
    )
    assert code == 0, err
    files = [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
    assert len(files) >= 15
    for path in files:
        assert secret.encode() not in path.read_bytes(), path


def test_evaluate_prints_the_test_metrics_of_the_run(cli, tmp_path):
    cli(*SHORT)
    run = runs(tmp_path)[0].parent
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    code, out, _ = cli("evaluate", run, "--json", main=run_tool)
    assert code == 0
    assert json.loads(out) == {name: value for name, value in metrics.items() if name.startswith("test/")}
    code, out, _ = cli("evaluate", run, "--split", "val", "--checkpoint", "last", main=run_tool)
    assert code == 0
    assert out.startswith("val/loss")


def test_evaluate_refuses_what_is_no_run(cli, tmp_path):
    code, _, err = cli("evaluate", tmp_path, main=run_tool)
    assert code == 2
    assert "is no run" in err
    assert "Traceback" not in err


def test_a_machines_own_settings_are_taken(cli, tmp_path):
    (tmp_path / "mine" / "local").mkdir(parents=True)
    (tmp_path / "mine" / "local" / "default.yaml").write_text(
        "# @package _global_\noutput_root: scratch\ndata:\n  root: elsewhere\n"
    )
    code, _, _ = cli("--config-dir", "mine", *SHORT)
    assert code == 0
    assert list((tmp_path / "scratch" / "runs").iterdir())


TINY = ["trainer=cpu", "trainer.max_epochs=1", "+trainer.limit_train_batches=2"]
SECRET = "hunter2-b4tt3ry-staple"


def assert_hidden(folder, least, secret=SECRET):
    """Find a secret in no file and in no file's name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= least
    for path in files:
        assert secret.encode() not in path.read_bytes(), path
        assert secret not in str(path)


@pytest.mark.parametrize("given", [[], ["hydra.sweeper.direction=maximize"]])
def test_optuna_seeks_what_the_monitor_says(cli, tmp_path, given):
    optuna = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=1", *given]
    search = ["hydra/launcher=basic", *optuna]
    code, _, err = cli("-m", *TINY, "logger=none", *search, "optimizer.lr=interval(1e-4,1e-1)")
    assert code == 0, err
    values = [json.loads(path.read_text())["objective"]["value"] for path in runs(tmp_path)]
    assert len(set(values)) > 1
    (best,) = (tmp_path / "outputs").rglob("optimization_results.yaml")
    assert yaml.safe_load(best.read_text())["best_value"] == pytest.approx(max(values))


def test_optuna_is_not_sent_the_other_way(cli, tmp_path):
    search = ["hydra/sweeper=optuna", "hydra.sweeper.direction=minimize"]
    code, _, err = cli("-m", *TINY, *search, "optimizer.lr=interval(1e-4,1e-1)")
    assert code == 2
    assert "hydra.sweeper.direction  must be maximize, as monitor.mode is max, got minimize" in err
    assert not (tmp_path / "outputs").exists()


def test_a_misspelt_key_that_all_jobs_share_is_answered_with_what_was_meant(cli, tmp_path):
    code, _, err = cli("-m", "optimzer.lr=1", "seed=1,2")
    assert code == 2
    assert "optimzer.lr  does not exist; did you mean 'optimizer.lr'?" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_a_folder_comes_with_all_the_rest(cli):
    code, _, err = cli("hydra.run.dir=/tmp/elsewhere", "optimizer.lr=-1")
    assert code == 2
    assert "optimizer.lr " in err
    assert "hydra.run.dir " in err


def test_hydras_own_parts_run_nothing_outside_the_whitelist(cli, tmp_path):
    marker = tmp_path / "marker"
    cli(*TINY, f"+hydra.callbacks.evil={{_target_: pathlib.Path.touch, _args_: [{marker}]}}")
    assert not marker.exists()


def test_hydras_files_keep_what_was_written_and_not_what_looks_like_a_secret(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA", "data")
    code, _, err = cli(*TINY, "+data.root=${oc.env:DATA}")
    assert code == 0, err
    config = OmegaConf.load(runs(tmp_path)[0].parent / ".hydra" / "config.yaml")
    assert config.data._target_ == "lightune.data.Digits"
    assert OmegaConf.to_container(config)["data"]["root"] == "${oc.env:DATA}"


def test_secrets_stay_hidden_in_any_folder_of_hydras_files(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", SECRET)
    arguments = ["hydra.output_subdir=conf", "+hydra.job.env_set.COPY=${oc.env:PLANTED}"]
    code, _, err = cli(*TINY, *arguments, "logger=none")
    assert code == 0, err
    assert_hidden(tmp_path, least=6)
    (hydra_yaml,) = tmp_path.rglob("conf/hydra.yaml")
    assert "COPY: ${oc.env:PLANTED}" in hydra_yaml.read_text()


def test_secrets_stay_hidden_where_the_preflight_was_removed(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", SECRET)
    code, _, err = cli(*TINY, "~hydra.callbacks.lightune", "+hydra.job.env_set.COPY=${oc.env:PLANTED}")
    assert code == 0, err
    assert_hidden(tmp_path, least=6)


def test_secrets_are_hidden_before_anything_heavy_is_imported(tmp_path):
    probe = (
        "import builtins, os, sys\n"
        "real = builtins.__import__\n"
        "def stop(name, *rest):\n"
        "    if name.partition('.')[0] == 'torch': os._exit(9)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = stop\n"
        "from lightune.cli.train import main\n"
        "main()\n"
    )
    arguments = [
        "-m",
        "hydra/sweeper=basic",
        "hydra/launcher=basic",
        "seed=0,1",
        "+hydra.job.env_set.COPY=${oc.env:PLANTED}",
    ]
    done = subprocess.run(
        [sys.executable, "-c", probe, *arguments], cwd=tmp_path, env={**os.environ, "PLANTED": SECRET}, check=False
    )
    assert done.returncode == 9
    assert_hidden(tmp_path, least=4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("logger", ["tensorboard", "csv"])
def test_secrets_in_what_a_task_saves_of_its_arguments_stay_hidden(
    cli, tmp_path, own_package, monkeypatch, logger
):
    monkeypatch.setenv("PLANTED", SECRET)
    (tmp_path / f"{own_package}.py").write_text(OWN.replace("lr: float = 0.1", "lr: float = 0.1, token: str = ''"))
    for group, name in (("task", "Line"), ("data", "Points")):
        (tmp_path / "mine" / group).mkdir(parents=True)
        (tmp_path / "mine" / group / "own.yaml").write_text(f"_target_: {own_package}.{name}\n")
    arguments = ["task=own", "data=own", "+task.token=${oc.env:PLANTED}", f"logger={logger}"]
    code, _, err = cli("--config-dir", "mine", *TINY, *arguments)
    assert code == 0, err
    assert_hidden(tmp_path / "outputs", least=7)


@pytest.mark.long
@pytest.mark.slow
def test_secrets_in_tuned_values_of_a_sweep_stay_hidden(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", f"/{SECRET}")
    arguments = ["note=PLANTED", "+data.root='${oc.env:PLANTED}','${oc.env:${note}}'"]
    code, _, err = cli("-m", *TINY, *arguments)
    assert code == 0, err
    assert len(runs(tmp_path)) == 2
    assert_hidden(tmp_path, least=16)


@pytest.mark.parametrize("secret", [SECRET, "two  blanks\tand a\nline of it"])
def test_secrets_in_what_a_failed_run_says_stay_hidden(cli, tmp_path, own_package, monkeypatch, secret):
    monkeypatch.setenv("PLANTED", secret)
    (tmp_path / f"{own_package}.py").write_text(
        "from pytorch_lightning import Callback\n"
        "class Bomb(Callback):\n"
        "    def __init__(self, token: str): self.token = token\n"
        "    def on_train_start(self, *_): raise RuntimeError(f'refused {self.token} {self.token!r}')\n"
    )
    bomb = "{_target_: %s.Bomb, token: '${oc.env:PLANTED}'}" % own_package  # noqa: UP031 - braces
    code, out, err = cli(*TINY, f"+callbacks.bomb={bomb}")
    assert code == 1
    (result,) = runs(tmp_path)
    assert "${oc.env:PLANTED}" in json.loads(result.read_text())["error"]["message"]
    assert "${oc.env:PLANTED}" in (result.parent / "traceback.txt").read_text()
    for form in (secret, repr(secret)[1:-1], " ".join(secret.split()), json.dumps(secret)[1:-1]):
        assert_hidden(tmp_path / "outputs", least=7, secret=form)
        assert form not in out + err


def test_a_home_folder_of_a_file_takes_all_that_a_run_leaves(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "mine/local").mkdir(parents=True)
    (tmp_path / "mine/local/default.yaml").write_text("# @package _global_\noutput_root: ~/x\n")
    code, out, _ = cli("--config-dir", "mine", *TINY)
    (run_dir,) = (tmp_path / "home/x/runs/run").iterdir()
    assert (code, (run_dir / "result.json").is_file(), str(run_dir.name) in out) == (0, True, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "mine"]
    typed = f"~/x/runs/run/{run_dir.name}"
    code, _, err = cli(f"resume='{typed}'", "trainer.max_epochs=1")
    assert (code, "is finished (completed)" in err) == (2, True)


@pytest.mark.long
def test_portable_arithmetic_is_that_of_a_run_and_of_the_workers_of_a_study(tmp_path):
    """The variables are set before torch is imported, so this takes processes of its own."""
    words = ["data=wine", "model.units=4", "trainer=cpu", "trainer.max_epochs=1", "logger=none"]
    words.append("trainer.portable=true")
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    for more in (["name=alone"], ["-m", "search.study=s", "hydra/launcher=local", "optimizer.lr=1e-3,1e-2"]):
        done = subprocess.run(
            [sys.executable, "-m", "lightune.cli.train", *words, *more],
            cwd=tmp_path, env=clean, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    outputs = tmp_path / "outputs"
    recorded = [*outputs.glob("runs/alone/*/environment.json"), *outputs.glob("studies/s/**/environment*.json")]
    assert len(recorded) >= 2
    for file in recorded:
        variables = json.loads(file.read_text())["variables"]
        assert {**variables, **PORTABLE, "OMP_NUM_THREADS": "1"} == variables
    places = (f"{place}/checkpoints/best.ckpt" for place in ("runs/alone/*", "studies/s/trials/0"))
    one, other = (read_checkpoint(next(outputs.glob(place)))["state_dict"] for place in places)
    assert all(torch.equal(one[name], other[name]) for name in one)
