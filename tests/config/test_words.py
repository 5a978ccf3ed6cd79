"""The words that a configuration is composed of."""

import copy

import pytest
from omegaconf import OmegaConf, open_dict

from lightune import compose
from lightune.config.words import Words, words_of
from lightune.errors import ConfigError


@pytest.fixture
def cfg():
    return compose(["data=wine", "model.units=8"])


def added(cfg):
    """Return the words beside those that it was composed of, which make the same of them."""
    words = words_of(cfg)
    assert words.overrides[:2] == ("data=wine", "model.units=8")
    assert OmegaConf.to_container(compose(words.overrides)) == OmegaConf.to_container(cfg)
    return list(words.overrides[2:])


def test_a_configuration_and_its_copies_know_their_words(cfg):
    assert words_of(cfg) == Words(("data=wine", "model.units=8"))
    assert words_of(copy.deepcopy(cfg)) == words_of(cfg)


def test_each_change_is_a_word(cfg):
    cfg.seed = 3
    cfg.note = "it's, ${name} = 'x'"
    cfg.tags = ["a, b", 1]
    cfg.logger = {}
    cfg.model.units = [16, 8]
    with open_dict(cfg):
        cfg.model.dropout_of_mine = None
        del cfg.regularization
    expected = {"seed", "note", "tags", "~logger.tensorboard", "model.units", "+model.dropout_of_mine"}
    assert expected < {word.partition("=")[0] for word in added(cfg)}


def test_what_was_changed_back_is_no_change(cfg):
    cfg.seed = 3
    cfg.seed = 0
    assert added(cfg) == []


def test_another_type_is_another_value(cfg):
    cfg.test = 1
    assert added(cfg) == ["test=1"]


def test_options_of_ones_own_are_known(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: lightune.models.MLP\nunits: 5\n")
    cfg = compose(["model=mine"], config_dir=tmp_path)
    cfg.model.units = 6
    assert words_of(cfg) == Words(("model=mine", "model.units=6"), tmp_path)


def test_a_configuration_of_another_origin_is_refused(cfg):
    with pytest.raises(ConfigError, match="must be a configuration that compose returned"):
        words_of(OmegaConf.create(OmegaConf.to_container(cfg)))


def test_a_change_that_no_word_says_is_refused_with_its_key(cfg):
    with open_dict(cfg):
        cfg.scheduler = None
    with pytest.raises(ConfigError, match=r"no word of a command says \(scheduler\); give compose"):
        words_of(cfg)
