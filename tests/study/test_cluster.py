import importlib.util
import select
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError
from lightune.study import connection
from lightune.study.claim import claimed
from lightune.study.connection import connect, reach
from lightune.study.room import needs_of, room_for
from lightune.study.settings import Settings


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


def test_without_ray_the_launcher_is_refused_and_the_extra_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"hydra/launcher +'cluster' needs Ray.*pip install 'lightune\[ray\]'"):
        connect(OmegaConf.create({"address": None}))


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127.0.0.1:1 .*ray start --head"):
        connect(OmegaConf.create({"address": "127.0.0.1:1"}))


def test_other_launchers_reach_for_no_cluster(monkeypatch):
    monkeypatch.setattr(connection, "connect", None)
    reach(OmegaConf.create({"hydra": {"launcher": {"_target_": "other.Launcher"}}}))


CLAIM = """
import sys
from pathlib import Path
from lightune.study.claim import claimed
print("waits", flush=True)
with claimed(Path(sys.argv[1]), 3):
    print("has it", flush=True)
    input()
"""


def test_a_claim_is_had_by_one_process_and_free_after_its_death(tmp_path):
    with claimed(tmp_path, 3):
        other = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "waits\n"
        readable, _, _ = select.select([other.stdout], [], [], 0.2)
        assert not readable
        with claimed(tmp_path, 4):
            pass
    assert other.stdout.readline() == "has it\n"
    other.kill()
    other.communicate()
    with claimed(tmp_path, 3):
        pass


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lightune[ray]'"
)
def test_a_refused_cluster_leaves_nothing_behind(app):
    said = app.run("hydra/launcher=cluster", "x=1,2", "hydra.launcher.ray.init.address=127.0.0.1:1", code=2)
    assert "Traceback" not in said
    assert not app.study.exists()
