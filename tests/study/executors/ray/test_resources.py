import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError
from lightune.study.definition.settings import Settings
from lightune.study.executors.ray.resources import needs_of, room_for


def config(accelerator=None):
    return OmegaConf.create({"trainer": {"accelerator": accelerator}} if accelerator else {})


@pytest.mark.parametrize(
    ("settings", "accelerator", "remote", "gpus", "needs"),
    [
        ({}, None, {}, False, {"CPU": 1}),
        ({}, "auto", {}, True, {"CPU": 1, "GPU": 1}),
        ({}, "cpu", {}, True, {"CPU": 1}),
        ({}, "gpu", {}, False, {"CPU": 1, "GPU": 1}),
        ({"gpus_per_job": 2}, "auto", {"num_cpus": 8}, True, {"CPU": 8, "GPU": 2}),
        ({"jobs_per_gpu": 4}, "auto", {}, True, {"CPU": 1, "GPU": 0.25}),
        ({}, None, {"num_cpus": 0, "resources": {"a100": 1}}, False, {"a100": 1}),
    ],
)
def test_a_trial_needs_what_the_settings_say(settings, accelerator, remote, gpus, needs):
    assert needs_of(Settings((), **settings), config(accelerator), remote, gpus=gpus) == needs


def test_several_gpus_that_are_shared_are_refused():
    with pytest.raises(ConfigError, match=r"search.jobs_per_gpu +must be 1"):
        needs_of(Settings((), gpus_per_job=2, jobs_per_gpu=2), config(), {}, gpus=True)


@pytest.mark.parametrize(
    ("needs", "nodes", "room"),
    [
        ({"CPU": 1}, [{"CPU": 4}, {"CPU": 2}], 6),
        ({"CPU": 1, "GPU": 2}, [{"CPU": 16, "GPU": 3}, {"CPU": 16, "GPU": 4}, {"CPU": 16}], 3),
        ({"CPU": 1, "GPU": 0.1}, [{"CPU": 16, "GPU": 1}], 10),
        ({"GPU": 1}, [{"CPU": 4}], 0),
    ],
)
def test_a_cluster_has_room_for_what_fits_on_its_nodes(needs, nodes, room):
    assert room_for(needs, nodes) == room
