import importlib.util

import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError
from lightune.study.executors.ray.connection import connect


def test_without_ray_the_launcher_is_refused_and_the_extra_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"hydra/launcher +'cluster' needs Ray.*pip install 'lightune\[ray\]'"):
        connect(OmegaConf.create({"address": None}))


def test_an_address_where_nobody_listens_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127.0.0.1:1 .*ray start --head"):
        connect(OmegaConf.create({"address": "127.0.0.1:1"}))


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lightune[ray]'"
)
def test_a_refused_cluster_leaves_nothing_behind(app):
    said = app.run("hydra/launcher=cluster", "x=1,2", "hydra.launcher.ray.init.address=127.0.0.1:1", code=2)
    assert "Traceback" not in said
    assert not app.study.exists()
