"""Studies on a Ray cluster of two nodes on this machine, made by Ray's own utility; one of them dies."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lightune.study.outputs.reader import open_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what Ray does in this process is its own
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lightune[ray]'"
    ),
]

LOOPBACK = "127.0.0.2"  # Ray takes 127.0.0.1 for the address of the network card
SPACE = ["x=interval(0,5)", "hydra.sweeper.n_trials=6"]


@pytest.fixture
def nodes(monkeypatch):
    """Start a head without processors and two nodes with one each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    settings = {"node_ip_address": LOOPBACK, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **settings})
    try:
        workers = [cluster.add_node(num_cpus=1, **settings) for _ in range(2)]
        yield cluster, workers
    finally:
        cluster.shutdown()


def on(cluster):
    """Return the overrides that choose a cluster."""
    init = "hydra.launcher.ray.init"
    return ["hydra/launcher=cluster", f"{init}.address={cluster.address}", f"+{init}._node_ip_address={LOOPBACK}"]


def beats(app):
    return [number for number in range(6) if (app.study / str(number) / "beat.txt").exists()]


def test_a_trial_whose_node_dies_goes_on_on_another(app, nodes):
    cluster, workers = nodes
    process = app.start(*on(cluster), *SPACE, "sleep=3")
    app.wait_for(lambda: len(beats(app)) == 4)  # two are running
    cluster.remove_node(workers[0], allow_graceful=False)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert "its node was lost" in said
    assert app.states() == ["COMPLETE"] * 6
    assert app.column("number") == list("012345")
    assert app.column("state") == ["completed"] * 6
    assert sorted(len(app.starts(number)) for number in range(6)) == [1, 1, 1, 1, 1, 2]


def test_both_nodes_work_at_the_same_time_and_prune(app, nodes):
    cluster, _ = nodes
    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.5}"
    said = app.run(*on(cluster), "x=1,2,3,4", pruner, "sleep=1")
    assert app.column("state") == ["completed", "completed", "pruned", "pruned"], said
    assert len({app.starts(number)[0].split()[0] for number in range(4)}) == 2


def test_a_stopped_study_goes_on(app, nodes):
    cluster, _ = nodes
    process = app.start(*on(cluster), *SPACE, "sleep=2")
    app.wait_for(lambda: len(beats(app)) == 3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in app.column("state"), said
    app.run(*on(cluster), *SPACE, "sleep=2")
    assert app.states() == ["COMPLETE"] * 6


def test_a_killed_driver_leaves_no_process_and_goes_on(app, nodes):
    cluster, _ = nodes
    process = app.start(*on(cluster), *SPACE, "sleep=2")
    app.wait_for(lambda: len(beats(app)) == 3)
    begun = beats(app)
    running = [app.starts(number)[0].split()[0] for number in begun]
    app.kill(process)
    app.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in running), seconds=20)
    cut = [number for number in begun if not (app.study / str(number) / "result.json").exists()]
    assert cut
    app.run(*on(cluster), *SPACE, "sleep=2")
    assert app.states() == ["COMPLETE"] * 6
    assert [len(app.starts(number)) for number in range(6)] == [1 + (number in cut) for number in range(6)]


def test_a_crashing_trial_costs_that_trial_only(app, nodes):
    cluster, _ = nodes
    app.run(*on(cluster), "do=segv,exit,raise,return", "hydra.sweeper.max_failures=4")
    assert app.column("state") == ["failed", "failed", "failed", "completed"]
    assert app.column("error")[0] == "its process was ended by SIGSEGV"


def test_a_trial_that_ends_its_place_every_time_fails_and_costs_no_other(app, nodes):
    cluster, _ = nodes
    said = app.run(*on(cluster), "do=place,return")
    assert app.column("state") == ["failed", "completed"], said
    assert app.column("error")[0] == (
        "it lost its place 4 times; at last its node was lost: "
        "The actor is dead because its worker process has died"
    )
    assert len(app.starts(0)) == 4


def test_a_place_that_is_lost_with_every_trial_stops_the_study_with_a_line(app, nodes):
    cluster, _ = nodes
    swept = ("do=place", "x=1,2,3,4", "hydra.sweeper.n_jobs=1", "hydra.sweeper.max_failures=4")
    said = app.run(*on(cluster), *swept, code=1)
    assert "no place of the Ray cluster is left: 5 in a row were lost" in said
    assert "Traceback" not in said
    assert sum(len(app.starts(number)) for number in range(2)) == 5


def test_trainings_run_on_both_nodes_and_the_poor_are_pruned(tmp_path, nodes):
    cluster, _ = nodes
    pruner = "search.pruner={_target_:optuna.pruners.ThresholdPruner,lower:0.2}"
    swept = ["optimizer.lr=0.01,1e-8", "model.units=32,64", "search.study=s", "trainer.max_epochs=3", pruner]
    command = [sys.executable, "-m", "lightune.cli.train", "-m", *on(cluster), *swept, "trainer=cpu"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    study = open_study(tmp_path / "outputs" / "studies" / "s")
    assert [row["state"] for row in study.rows] == ["completed", "completed", "pruned", "pruned"]
    results = [json.loads((study.trial_folder(row) / "result.json").read_text()) for row in study.rows]
    assert [result["epochs"] for result in results] == [3, 3, 1, 1]


def test_each_place_trains_a_group_and_one_whose_node_dies_goes_on_on_another(tmp_path, nodes):
    cluster, workers = nodes
    swept = [
        "optimizer.lr=0.01,0.02,0.03,0.04,0.05,0.06",
        "optimizer=sgd",
        "search.study=s",
        "trainer.max_epochs=300",
    ]
    swept += ["~callbacks.early_stopping", "callbacks.checkpoint.every_seconds=0", "trainer=cpu"]
    command = [sys.executable, "-m", "lightune.cli.train", "-m", *on(cluster), "hydra.launcher.fused=true", *swept]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    checkpoints = "outputs/studies/s/trials/*/checkpoints/last.ckpt"
    while process.poll() is None and len(list(tmp_path.glob(checkpoints))) < 6:
        time.sleep(0.1)
    cluster.remove_node(workers[0], allow_graceful=False)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert said.count("3 trials as one program") == 2, said
    assert said.count("its node was lost") == 3, said
    study = open_study(tmp_path / "outputs" / "studies" / "s")
    assert [row["state"] for row in study.rows] == ["completed"] * 6
    results = [json.loads((study.trial_folder(row) / "result.json").read_text()) for row in study.rows]
    assert [result["epochs"] for result in results] == [300] * 6


def test_each_place_trains_a_group_of_a_batch_of_any_sweeper(tmp_path, nodes):
    cluster, _ = nodes
    swept = ["hydra/sweeper=basic", "optimizer.lr=0.01,0.02,0.03,0.04", "trainer.max_epochs=2", "trainer=cpu"]
    command = [sys.executable, "-m", "lightune.cli.train", "-m", *on(cluster), "hydra.launcher.fused=true", *swept]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("fused  2 jobs as one program on cpu") == 2, ended.stdout
    results = [json.loads(file.read_text()) for file in tmp_path.rglob("result.json")]
    assert [(result["status"], result["epochs"]) for result in results] == [("completed", 2)] * 4
