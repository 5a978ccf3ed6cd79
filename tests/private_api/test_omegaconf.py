import copy

import pytest
import yaml
from omegaconf import OmegaConf

from lightune.private_api.omegaconf import (
    attach,
    dumper,
    holding,
    keep,
    kept,
    leaf_values,
    node_of,
    plain_unresolved,
    root_of,
    text_of,
)


@pytest.fixture
def cfg():
    return OmegaConf.create({"a": 1, "b": "${a}", "c": {"d": "${oc.env:HOME}", "e": ["${a}", 2]}, "m": "???"})


def test_an_interpolation_is_its_text(cfg):
    assert (text_of(cfg, "b"), text_of(cfg, "a"), text_of(cfg.c, "d")) == ("${a}", 1, "${oc.env:HOME}")


def test_a_node_is_the_object_itself(cfg):
    assert node_of(cfg, "c") is node_of(cfg, "c")
    assert cfg.c is node_of(cfg, "c")


def test_every_node_knows_the_whole(cfg):
    assert root_of(cfg.c) is cfg


def test_all_plain_values_are_there_as_they_are_written(cfg):
    written = ["${a}", "${a}", "${oc.env:HOME}", "1", "2", "???"]
    assert sorted(map(str, leaf_values(cfg.c))) == sorted(written)


def test_a_node_is_shared_not_copied(cfg):
    held = holding("c", cfg)
    assert node_of(held, "c") is node_of(cfg, "c")
    cfg.c.e[1] = 7
    assert held.c.e[1] == 7


def test_interpolations_are_resolved_below_the_parent_that_is_attached(cfg):
    held = holding("c", cfg)
    attach(held.c, cfg)
    assert held.c.e[0] == 1


def test_plain_values_are_what_to_yaml_writes(cfg):
    text = yaml.dump(plain_unresolved(cfg), Dumper=dumper(), default_flow_style=False, sort_keys=False)
    assert text == OmegaConf.to_yaml(cfg)


def test_what_is_kept_beside_a_configuration_is_no_key_of_it_and_its_copies_have_it(cfg):
    assert kept(cfg, "words") is None
    before = OmegaConf.to_container(cfg, resolve=False)
    keep(cfg, "words", ("a=1",))
    assert OmegaConf.to_container(cfg, resolve=False) == before
    assert (kept(cfg, "words"), kept(copy.deepcopy(cfg), "words"), kept(cfg.copy(), "words")) == (("a=1",),) * 3
