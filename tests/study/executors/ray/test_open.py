"""What a cluster's executor is made with, on a stand-in for Ray; the studies on clusters have the real one."""

import os
import sys
from types import SimpleNamespace

import cloudpickle
import pytest
from executor_contexts import MINIMIZED, context_of
from omegaconf import OmegaConf

from lightune.study.definition.settings import Settings
from lightune.study.executors.ray import open as opening

GPUS = {"CPU": 16.0, "GPU": 2.0}


def node(resources, alive=True):
    return {"Alive": alive, "Resources": resources}


@pytest.fixture
def opened(monkeypatch):
    """Open an executor on a cluster of some nodes; return what it was made with, and connected to."""
    monkeypatch.setattr(opening, "RayExecutor", lambda size, **how: {"size": size, **how})

    def run(context, *nodes, remote=None, **how):
        connected = []
        monkeypatch.setattr(opening, "connect", connected.append)
        monkeypatch.setattr(opening, "ray", lambda: SimpleNamespace(nodes=lambda: list(nodes)))
        launcher = OmegaConf.create({"init": {"address": "head:6379"}, "remote": remote or {}})
        made = opening.open_executor(launcher, context, **how)
        assert connected == [launcher.init]
        return made

    return run


def study(tmp_path, config=None, n_left=10, **settings):
    return context_of(
        study=tmp_path, config=config, settings=Settings(MINIMIZED, **settings), n_left=n_left, owner="me"
    )


def test_there_are_as_many_actors_as_living_nodes_have_room_for(opened, tmp_path, capsys):
    made = opened(study(tmp_path), node({"CPU": 4.0}), node({"CPU": 2.0}), node({"CPU": 8.0}, alive=False))
    assert (made["size"], made["room"]) == (6, 6)
    assert capsys.readouterr().out == ""


def test_there_are_no_more_actors_than_trials_left_or_jobs_asked_for(opened, tmp_path, capsys):
    assert opened(study(tmp_path, n_left=3), node({"CPU": 8.0}))["size"] == 3
    assert opened(study(tmp_path, n_jobs=2), node({"CPU": 8.0}))["size"] == 2
    assert opened(study(tmp_path, n_jobs=4, n_left=1), node({"CPU": 1.0}))["size"] == 1
    assert capsys.readouterr().out == ""


def test_trials_that_a_cluster_has_no_room_for_yet_wait_and_it_is_said(opened, tmp_path, capsys):
    made = opened(study(tmp_path, n_jobs=4, gpus_per_job=2), node(GPUS), node({"CPU": 4.0}))
    assert (made["size"], made["room"]) == (4, 1)
    said = "the Ray cluster has room for 1 of 4 trials (1 CPU, 2 GPU each); the others wait for nodes\n"
    assert capsys.readouterr().out == said


def test_a_cluster_that_has_no_node_yet_is_waited_for_with_one_actor(opened, tmp_path, capsys):
    made = opened(study(tmp_path))
    assert (made["size"], made["room"]) == (1, 0)
    assert "has room for 0 of 1 trial" in capsys.readouterr().out


def test_actors_are_spread_and_have_what_a_trial_needs_unless_the_launcher_says_otherwise(opened, tmp_path):
    options = opened(study(tmp_path), node(GPUS))["options"]
    assert options == {"scheduling_strategy": "SPREAD", "num_cpus": 1, "num_gpus": 1}
    remote = {"num_cpus": 0, "num_gpus": 0.5, "scheduling_strategy": "DEFAULT", "max_restarts": 2}
    assert opened(study(tmp_path), node(GPUS), remote=remote)["options"] == remote
    on_cpu = study(tmp_path, config=OmegaConf.create({"trainer": {"accelerator": "cpu"}}))
    assert opened(on_cpu, node(GPUS))["options"]["num_gpus"] == 0


def test_workers_are_in_a_place_like_the_drivers(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", "-m"])
    place = opened(study(tmp_path), node({"CPU": 1.0}))["place"]
    assert (place.folder, place.path, place.argv) == (str(tmp_path), tuple(sys.path), ("train.py", "-m"))
    assert place.study == tmp_path


@pytest.mark.parametrize(("given", "cpus", "threads"), [("", 1, "1"), ("", 6, "6"), ("", 0.5, "1"), ("3", 6, "3")])
def test_a_worker_has_as_many_threads_as_a_trial_has_processors(
    opened, tmp_path, monkeypatch, given, cpus, threads
):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    made = opened(study(tmp_path), node({"CPU": 8.0}), remote={"num_cpus": cpus})
    assert made["place"].environment["OMP_NUM_THREADS"] == threads


def test_workers_know_the_variables_that_a_configuration_asks_for_and_lightunes_own(opened, tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("LIGHTUNE_"):
            monkeypatch.delenv(name)
    for name, value in (("TOKEN", "hunter2"), ("LIGHTUNE_TRUST", "mine"), ("OTHER", "nobody's")):
        monkeypatch.setenv(name, value)
    config = OmegaConf.create({"key": "${oc.env:TOKEN}"})
    environment = opened(study(tmp_path, config=config), node({"CPU": 1.0}))["place"].environment
    assert {name: value for name, value in environment.items() if name != "OMP_NUM_THREADS"} == {
        "TOKEN": "hunter2",
        "LIGHTUNE_TRUST": "mine",
    }


def test_an_executor_knows_its_study_and_sends_workers_how_to_serve_it(opened, tmp_path):
    made = opened(study(tmp_path), node({"CPU": 1.0}), serve=print, capacity=8)
    assert (made["owner"], made["objectives"], made["capacity"]) == ("me", MINIMIZED, 8)
    assert cloudpickle.loads(made["setup"]).serve is print
    assert opened(context_of(), node({"CPU": 1.0}))["objectives"] is None
