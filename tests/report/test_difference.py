"""Where two configurations differ."""

import pytest

from lightune.report.difference import default_configuration, differences, read_configuration


def test_keys_are_compared_as_they_are_written(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "optimizer: {lr: 0.1, x: null}\nmodel: {layers: 2}\nnote: a\nhydra: {run: 1}\n"
    )
    (tmp_path / "b.yaml").write_text("optimizer: {lr: 1e-1}\nmodel: {layers: 3, units: [1, 2]}\nnote: b\n")
    one, other = read_configuration(tmp_path / "a.yaml"), read_configuration(tmp_path / "b.yaml")
    assert differences(one, other) == [
        ("optimizer.lr", "0.1", "1e-1"), ("model.layers", "2", "3"), ("model.units", "", "[1, 2]"),
        ("optimizer.x", "null", ""),
    ]  # fmt: skip


def test_the_default_is_what_trains_without_a_word():
    default = default_configuration()
    assert default["model.layers"] == "2"
    assert not any(key.startswith(("hydra", "search.")) for key in default)


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "x: !!python/object/apply:os.system [ls]\n"])
def test_what_is_no_configuration_is_none(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert read_configuration(tmp_path / "a.yaml") is None
    assert read_configuration(tmp_path / "none.yaml") is None
