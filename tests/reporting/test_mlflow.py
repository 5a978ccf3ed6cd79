"""Runs and studies in a real MLflow server with a database, in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from lightune import compose, resume, train
from lightune.reporting.result import read_result

pytest.importorskip("mlflow", reason="needs the extra: pip install 'lightune[mlflow]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = ["trainer=cpu", "trainer.max_epochs=2", "model.units=8", "data=wine"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", f"sqlite:///{folder}/db", "--artifacts-destination", str(folder)]
    command = [sys.executable, "-m", "mlflow", *words, "--port", str(port), "--workers", "1"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=1):
            break
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.2)
    yield address
    os.killpg(process.pid, 15)
    process.wait()


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    return MlflowClient(server)


def runs_of(client, experiment):
    found = client.get_experiment_by_name(experiment)
    return sorted(client.search_runs([found.experiment_id]), key=lambda run: run.info.run_name)


def started(*words):
    ended = subprocess.run(
        [sys.executable, str(TRAIN), *words], capture_output=True, text=True, check=False, env=os.environ
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_run_arrives_with_its_parameters_curves_and_figures(client, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hidden-words")
    words = ["name=alone", "logger=[csv,mlflow]", "note='${oc.env:MY_TOKEN}'", "tags=[try]", "optimizer.lr=0.01"]
    result = train(compose([*SMALL, *words]))
    (run,) = runs_of(client, "alone")
    assert (run.info.status, run.data.tags["lightune.status"], run.data.tags["try"]) == (
        "FINISHED",
        "completed",
        "true",
    )
    assert (run.data.params["optimizer.lr"], run.data.params["model"], run.data.params["seed"]) == (
        "0.01",
        "MLP",
        "0",
    )
    assert run.data.metrics["objective"] == pytest.approx(result.objective.value)
    assert run.data.metrics["test/accuracy"] == pytest.approx(result.metrics["test/accuracy"])
    *curve, last = client.get_metric_history(run.info.run_id, "val/loss")
    assert len(curve) == 2
    assert last.value == pytest.approx(result.metrics["val/loss"])  # of the best epoch, as the objective is
    assert "hidden-words" not in str(run.to_dictionary())
    longer = resume(result.run_dir, ["trainer.max_epochs=3"])
    (again,) = runs_of(client, "alone")
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert again.data.metrics["objective"] == pytest.approx(longer.objective.value)


def test_folds_belong_to_their_run(client):
    result = train(compose([*SMALL, "name=folds", "logger=mlflow", "validation=kfold", "validation.k=2"]))
    *fits, run = sorted(runs_of(client, "folds"), key=lambda run: "mlflow.parentRunId" not in run.data.tags)
    assert {fit.data.tags["mlflow.parentRunId"] for fit in fits} == {run.info.run_id}
    assert (len(fits), {fit.info.status for fit in fits}) == (2, {"FINISHED"})
    assert run.data.metrics["objective"] == pytest.approx(result.objective.value)


@pytest.mark.parametrize("how", [["hydra/launcher=fused"], ["search.n_jobs=2"]], ids=["fused", "workers"])
def test_every_trial_of_a_study_arrives_below_its_name(client, how, tmp_path):
    name = how[0].partition("=")[0].replace("/", "_")
    started("-m", *SMALL, *how, "logger=mlflow", f"search.study={name}", "optimizer.lr=1e-3,1e-2", "seed=0,1")
    trials = runs_of(client, name)
    assert [trial.info.run_name for trial in trials] == [f"trial {number}" for number in range(4)]
    for number, trial in enumerate(trials):
        result = read_result(tmp_path / "outputs" / "studies" / name / "trials" / str(number))
        assert trial.info.status == "FINISHED"
        assert trial.data.metrics["objective"] == pytest.approx(result.objective.value)
    assert {trial.data.params["optimizer.lr"] for trial in trials} == {"0.001", "0.01"}


def test_without_a_server_runs_go_into_a_database_in_the_output_root(tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(compose([*SMALL, "name=here", "logger=mlflow"]))
    (run,) = runs_of(MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db"), "here")
    assert run.data.metrics["objective"] > 0


def test_a_server_that_is_not_there_costs_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result = train(compose([*SMALL, "logger=mlflow"]))
    assert result.status == "completed"
    assert "the run goes on without it" in (result.run_dir / "train.log").read_text()
    assert not json.loads((result.run_dir / "result.json").read_text())["error"]
