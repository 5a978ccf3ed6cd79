import pytest
from executor_contexts import MINIMIZED, context_of
from omegaconf import OmegaConf

from hydra_plugins.hydra_lightune.cluster import ClusterLauncher, ClusterLauncherConf
from lightune.errors import ConfigError
from lightune.study.definition.settings import Settings
from lightune.study.executors.ray import open as opening

RAY = OmegaConf.create({"init": {}, "remote": {}})


@pytest.fixture
def opened(monkeypatch):
    """Note how executors on a cluster are opened, and open none."""
    made = []
    monkeypatch.setattr(opening, "open_executor", lambda ray, context, **how: made.append(how) or "it")
    return made


def test_its_executor_is_that_of_the_cluster(opened):
    assert ClusterLauncher(RAY).make_executor(context_of()) == "it"
    assert opened == [{}]


def test_each_of_its_processes_may_train_groups(opened, tmp_path):
    ClusterLauncher(RAY, fused=True, fused_width=4).make_executor(context_of(study=tmp_path))
    assert opened[0]["capacity"] == 4
    assert callable(opened[0]["serve"])


def test_groups_train_on_one_device_each(opened, tmp_path):
    context = context_of(study=tmp_path, settings=Settings(MINIMIZED, gpus_per_job=2))
    with pytest.raises(ConfigError, match="gpus_per_job"):
        ClusterLauncher(RAY, fused=True).make_executor(context)
    assert opened == []


def test_a_cluster_is_told_nothing_unless_it_is_asked_for():
    conf = ClusterLauncherConf()
    assert conf.ray.init == {"address": None, "log_to_driver": False, "logging_level": "warning"}
    assert (conf.ray.remote, conf.fused) == ({}, False)
    assert conf._target_ == f"{ClusterLauncher.__module__}.{ClusterLauncher.__name__}"
