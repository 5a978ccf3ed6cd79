import sys

import pytest
from omegaconf import OmegaConf

from lightune.study.passwords import conceal, hidden, hider


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("mysql+pymysql://a:b%40c@h:3306/d", "mysql+pymysql://a:***@h:3306/d"),
        ("postgresql+psycopg://u:a/b@h/d", "postgresql+psycopg://u:***@h/d"),
        ("postgresql://u:pa ss@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:a@b@h/d", "postgresql://u:***@h/d"),
        (
            "postgresql://h/d?user=u&password=p&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        ("redis://:secret@host", "redis://:***@host"),
        ("sqlite:///file.db", "sqlite:///file.db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_password_is_hidden(url, shown):
    assert hidden(url) == shown
    assert hider(url)(f"x={url} and y=a:b@c") == f"x={shown} and y=a:b@c"


def test_a_configuration_keeps_what_refers_to_a_password(monkeypatch):
    url = "postgresql://me:secret@host/db"
    monkeypatch.setattr(sys, "argv", ["train.py", f"search.storage={url}"])
    config = OmegaConf.create(
        {
            "search": {"storage": url},
            "hydra": {
                "sweeper": {"storage": "${search.storage}"},
                "overrides": {"hydra": [], "task": [f"search.storage={url}", "note=a://b:c@d"]},
            },
        }
    )
    conceal(config, url)
    assert "secret" not in OmegaConf.to_yaml(config) + " ".join(sys.argv)
    assert OmegaConf.is_interpolation(config.hydra.sweeper, "storage")
    assert config.hydra.overrides.task[1] == "note=a://b:c@d"
