import os

import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.executors.local import devices
from lightune.study.executors.local.devices import is_whole, make_slots, visible_gpus
from lightune.study.executors.local.worker_handle import Slot

ANY = OmegaConf.create({"trainer": {"accelerator": "auto"}})
CPU = OmegaConf.create({"trainer": {"accelerator": "cpu"}})


def settings(**how):
    return Settings((Objective(None, "min"),), **how)


@pytest.fixture
def gpus(monkeypatch):
    return lambda names: monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)


@pytest.fixture
def processors(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return lambda number: monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(number)))


@pytest.mark.parametrize(
    ("names", "seen"), [("0,2", ["0", "2"]), ("", []), ("-1", []), (" GPU-a , GPU-b", ["GPU-a", "GPU-b"])]
)
def test_gpus_are_those_that_the_environment_names(gpus, names, seen):
    gpus(names)
    assert visible_gpus() == seen


def places(slots):
    return [slot.environment.get("CUDA_VISIBLE_DEVICES") for slot in slots]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, ["0", "1", "2"]),
        ({"n_jobs": 2}, ["0", "1"]),
        ({"jobs_per_gpu": 2}, ["0", "1", "2", "0", "1", "2"]),
        ({"gpus_per_job": 2}, ["0,1"]),
    ],
)
def test_gpus_are_divided_among_the_trials(gpus, how, expected):
    gpus("0,1,2")
    assert places(make_slots(settings(**how), ANY)) == expected


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"gpus_per_job": 3}, "search.gpus_per_job: must be <= 2, the GPUs of this machine, got 3"),
        ({"gpus_per_job": 2, "jobs_per_gpu": 2}, "search.jobs_per_gpu: must be 1 where a trial has several"),
        ({"n_jobs": 3}, "search.n_jobs: must be <= 2 with 2 GPUs"),
    ],
)
def test_more_than_there_is_is_refused_with_its_key(gpus, how, rule):
    gpus("0,1")
    with pytest.raises(ConfigError) as refused:
        make_slots(settings(**how), ANY)
    assert str(refused.value.problems[0]).startswith(rule)


def test_a_trainer_on_the_cpu_leaves_gpus_alone(gpus, processors):
    gpus("0,1")
    processors(4)
    assert make_slots(settings(n_jobs=2), CPU) == [
        Slot({"OMP_NUM_THREADS": "2"}, (0, 1)),
        Slot({"OMP_NUM_THREADS": "2"}, (2, 3)),
    ]


def test_trials_share_processors_where_there_are_too_few(gpus, processors):
    gpus("")
    processors(2)
    assert make_slots(settings(n_jobs=3), ANY) == [Slot({"OMP_NUM_THREADS": "1"})] * 3


def test_one_trial_at_a_time_has_the_whole_machine(gpus):
    gpus("")
    assert is_whole(make_slots(settings(), ANY))
    assert not is_whole(make_slots(settings(n_jobs=2), ANY))
    gpus("0,1")
    assert is_whole(make_slots(settings(gpus_per_job=2), ANY))
    assert not is_whole(make_slots(settings(n_jobs=1), ANY))  # the other GPU is left


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_a_gpu_that_is_not_there_is_refused_before_trials_fail_for_it(gpus, monkeypatch, tmp_path, accelerator):
    gpus("")
    config = OmegaConf.create({"trainer": {"accelerator": accelerator}})
    monkeypatch.setattr(devices, "_GPU_FOLDER", tmp_path / "nvidia")
    monkeypatch.setattr(devices, "_DRIVERS", (tmp_path / "kfd",))
    monkeypatch.setattr(devices.sys, "platform", "linux")
    with pytest.raises(ConfigError, match=f"trainer.accelerator  there is no GPU .* got {accelerator}"):
        make_slots(settings(), config)
    assert make_slots(settings(), ANY)
    (tmp_path / "kfd").touch()  # which torch may know how to use
    assert make_slots(settings(), config)
