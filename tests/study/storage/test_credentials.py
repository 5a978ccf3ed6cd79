import sys

import pytest
from omegaconf import OmegaConf

from lightune.study.storage.credentials import conceal, has_bare_at, hidden, hider, hider_of


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
        ("postgresql://h/d?PWD=p&passwd=q", "postgresql://h/d?PWD=***&passwd=***"),
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


@pytest.mark.parametrize(
    ("url", "line", "shown"),
    [
        ("db://u:it's@h/d", r"x='db://u:it\'s@h/d'", "x='db://u:***@h/d'"),
        ("db://u:it's@h/d", "x: 'db://u:it''s@h/d'", "x: 'db://u:***@h/d'"),
        ("db://u:a,b@h/d", r"x=db://u:a\,b@h/d", "x=db://u:***@h/d"),
        (r"db://u:a\b@h/d", r'x: "db://u:a\\b@h/d"', 'x: "db://u:***@h/d"'),
        ("db://h/d?password=a,b&e=f", r"x=db://h/d?password=a\,b&e=f", "x=db://h/d?password=***&e=f"),
    ],
)
def test_a_password_is_hidden_however_its_line_spells_it(url, line, shown):
    assert hider(url)(line) == shown


@pytest.mark.parametrize("storage", ["db://u:secret@h/d", "${url}", None, 5])
def test_the_storage_of_a_multirun_hides_its_password(storage):
    config = OmegaConf.create({"url": "db://u:secret@h/d", "hydra": {"sweeper": {"storage": storage}}})
    line = "x=db://u:secret@h/d"
    assert hider_of(config)(line) == ("x=db://u:***@h/d" if isinstance(storage, str) else line)


def test_an_at_in_a_password_is_found():
    assert has_bare_at("db://u:a@b@h/d")
    assert not has_bare_at("db://u:a%40b@h/d?mail=a@b")


def test_a_url_from_the_environment_stays_a_reference(monkeypatch):
    url = "postgresql://me:secret@host/db"
    monkeypatch.setenv("LIGHTUNE_TEST_URL", url)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    sweeper = {"storage": "${oc.env:LIGHTUNE_TEST_URL}"}
    config = OmegaConf.create({"hydra": {"sweeper": sweeper, "overrides": {"hydra": [], "task": []}}})
    conceal(config, url)
    assert OmegaConf.to_container(config)["hydra"]["sweeper"] == sweeper
