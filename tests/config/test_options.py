"""Options of a group, as their files have them."""

import pytest

from lightune.config import options
from lightune.config.options import options_of, remarks_of


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """Let a folder of the test's own hold the options of `model`; returns what writes one."""
    (tmp_path / "model").mkdir()
    monkeypatch.setattr(options, "conf_dir", lambda: tmp_path)
    return lambda name, text: (tmp_path / "model" / f"{name}.yaml").write_text(text)


def test_options_come_in_order_with_what_their_files_say(conf):
    conf("b", "# @package _global_\n# A net.\n# More.\nmodel:\n  _target_: lightune.models.MLP\n  layers: 3\n")
    conf("a", "# Another.\n_target_: lightune.models.CNN\n")
    first, second = options_of("model")
    assert (first.name, first.sentence, first.target.name) == ("a", "Another.", "CNN")
    assert (second.name, second.sentence, second.node["layers"]) == ("b", "A net.", 3)


def test_an_option_has_what_it_takes_from_another(conf):
    conf("base", "_target_: lightune.models.MLP\nlayers: 3\nunits: 8\n")
    conf("wide", "# Wide.\ndefaults: [base, _self_]\nunits: 64\n")
    wide = list(options_of("model"))[1]
    assert wide.node == {"_target_": "lightune.models.MLP", "layers": 3, "units": 64}
    assert wide.target.constants["accepts"] == ("image", "table")


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "_target_: nowhere.Net\n", "", "defaults: [gone]\n"])
def test_a_file_that_tells_nothing_is_an_option_without_a_target(conf, text):
    conf("mine", text)
    (option,) = options_of("model")
    assert (option.name, option.target) == ("mine", None)


def test_options_of_ones_own_stand_among_the_others_and_win_over_them(conf, tmp_path):
    conf("a", "# Ours.\n_target_: lightune.models.MLP\nlayers: 3\n")
    own = tmp_path / "mine" / "model"
    own.mkdir(parents=True)
    (own / "b.yaml").write_text("# Mine.\ndefaults: [a, _self_]\nunits: 64\n")
    (own / "c.yaml").write_text("defaults: [c]\n")
    first, second, third = options_of("model", tmp_path / "mine")
    assert [option.name for option in options_of("model")] == ["a"]
    assert (first.sentence, second.name, second.sentence) == ("Ours.", "b", "Mine.")
    assert second.node == {"_target_": "lightune.models.MLP", "layers": 3, "units": 64}
    assert third.target is None  # it builds on itself
    (own / "a.yaml").write_text("# Mine, too.\n_target_: lightune.models.CNN\n")
    assert next(options_of("model", tmp_path / "mine")).sentence == "Mine, too."


def test_an_option_has_what_a_file_outside_of_its_group_gives_it(conf, tmp_path):
    conf("base", "_target_: lightune.models.MLP\nlayers: 3\n")
    conf("short", "# Short.\ndefaults: [base, /elsewhere/short@_global_]\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "short.yaml").write_text("model:\n  layers: 1\n")
    short = list(options_of("model"))[1]
    assert (short.sentence, short.node["layers"], short.target.name) == ("Short.", 1, "MLP")


def test_a_comment_belongs_to_the_key_before_it(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "# A file.\nname: run # its name\nnote: '# none'\nmonitor: # what counts\n  mode: max # or min\n"
        "tags: [a, b] # free words\nempty: {}\nlong:\n  - 1 # no key's\n"
    )
    assert remarks_of(tmp_path / "a.yaml") == {
        "name": "its name",
        "monitor": "what counts",
        "monitor.mode": "or min",
        "tags": "free words",
    }
