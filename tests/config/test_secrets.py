from omegaconf import OmegaConf

from lightune.config.secrets import redact, saveable, secret_values


def test_saves_the_expression_and_not_the_value(monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret-value")
    cfg = OmegaConf.create(
        {
            "note": "${oc.env:TOKEN}",
            "copy": "${note}",
            "path": "/data/${oc.env:TOKEN}/x",
            "lr": 0.1,
            "same": "${lr}",
        }
    )
    assert saveable(cfg) == {
        "note": "${oc.env:TOKEN}",
        "copy": "${note}",
        "path": "/data/${oc.env:TOKEN}/x",
        "lr": 0.1,
        "same": 0.1,
    }


def test_a_value_that_only_resembles_one_from_the_environment_stays(monkeypatch):
    monkeypatch.setenv("PORT", "1")
    cfg = OmegaConf.create({"port": "${oc.env:PORT}", "lr": 0.01, "tags": ["1", "${lr}"]})
    assert saveable(cfg) == {"port": "${oc.env:PORT}", "lr": 0.01, "tags": ["1", "${lr}"]}


def test_finds_variables_with_defaults_and_in_lists(monkeypatch):
    monkeypatch.setenv("FIRST", "alpha")
    monkeypatch.setenv("SECOND", "beta-longer")
    cfg = OmegaConf.create({"a": ["${oc.env:FIRST,none}"], "b": {"c": "${oc.env:'SECOND'}"}})
    assert secret_values(cfg) == {"beta-longer": "SECOND", "alpha": "FIRST"}


def test_redacts_longer_values_first_and_leaves_very_short_ones():
    assert redact("abcdef abcd 1", {"abcdef": "LONG", "abcd": "SHORT", "1": "ONE"}) == (
        "${oc.env:LONG} ${oc.env:SHORT} 1"
    )
