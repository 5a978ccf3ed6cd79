from omegaconf import OmegaConf

from lightune.secrets import names_behind, redact, redact_all, saveable, secret_values


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
    assert saveable(cfg) == {"port": "${oc.env:PORT}", "lr": 0.01, "tags": ["1", 0.01]}


def test_finds_variables_with_defaults_and_in_lists(monkeypatch):
    monkeypatch.setenv("FIRST", "alpha")
    monkeypatch.setenv("SECOND", "beta-longer")
    cfg = OmegaConf.create({"a": ["${oc.env:FIRST,none}"], "b": {"c": "${oc.env:'SECOND'}"}})
    assert secret_values(cfg) == {"beta-longer": "SECOND", "alpha": "FIRST"}


def test_redacts_longer_values_first_and_leaves_very_short_ones():
    assert redact("abcdef abcd 1", {"abcdef": "LONG", "abcd": "SHORT", "1": "ONE"}) == (
        "${oc.env:LONG} ${oc.env:SHORT} 1"
    )


def test_finds_a_variable_whose_name_is_a_value_itself(monkeypatch):
    monkeypatch.setenv("PLANTED", "hunter2")
    cfg = OmegaConf.create({"which": "PLANTED", "root": "/data/${oc.env:${which}}", "copy": "${root}"})
    assert secret_values(cfg) == {"hunter2": "PLANTED"}
    assert saveable(cfg) == {"which": "PLANTED", "root": "/data/${oc.env:${which}}", "copy": "${root}"}


def test_finds_a_variable_beside_what_cannot_be_resolved(monkeypatch):
    monkeypatch.setenv("PLANTED", "hunter2")
    cfg = OmegaConf.create({"broken": "${nowhere}/${oc.env:PLANTED}", "missing": "???"})
    assert secret_values(cfg) == {"hunter2": "PLANTED"}


def test_tells_which_variables_a_value_is_made_of(monkeypatch):
    monkeypatch.setenv("FIRST", "alpha")
    cfg = OmegaConf.create({"a": "${oc.env:FIRST}", "b": "${oc.env:ABSENT,none}-${a}", "c": "plain"})
    assert names_behind(cfg, "b") == {"ABSENT", "FIRST"}
    assert names_behind(cfg, "c") == set()
    assert cfg.b == "none-alpha"


def test_redacts_a_value_however_its_white_space_was_written():
    secrets = {"two  words\nand a line": "PLANTED"}
    for form in ("two  words\nand a line", "two words and a line", repr("two  words\nand a line")[1:-1]):
        assert redact(f"say {form}!", secrets) == "say ${oc.env:PLANTED}!"


def test_redacts_texts_at_any_depth():
    assert redact_all({"a": ["hunter2", 1], "b": {"c": "my hunter2"}}, {"hunter2": "PLANTED"}) == {
        "a": ["${oc.env:PLANTED}", 1],
        "b": {"c": "my ${oc.env:PLANTED}"},
    }
