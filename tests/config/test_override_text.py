"""Values as the text of an override and back."""

import pytest
from hydra.errors import HydraException

from lightune.config.override_text import bare_key, parse_override, value_of_text, value_text, values_of

TEXTS = ["plain", "1", "true", "null", "a,b", "it's", "${x}", ""]
TYPED = [*TEXTS, 1, 1.0, True, None, [1, "1"], {"a": [None, "b"]}]


@pytest.mark.parametrize("value", TYPED, ids=repr)
def test_a_text_stands_for_the_value_that_it_was_written_for(value):
    again = value_of_text(value_text(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(("text", "value"), [("a", "a"), ("'1'", "1"), ("1e5", 1e5), ("[a,1]", ["a", 1])])
def test_a_text_that_somebody_typed_stands_for_what_hydra_reads(text, value):
    assert value_of_text(text) == value


def test_a_line_that_is_no_override_is_hydras_to_refuse():
    assert parse_override("+a.b@c=1").key_or_group == "a.b"
    with pytest.raises(HydraException):
        parse_override("x=[1,")


def test_a_mapping_sets_the_keys_in_it():
    assert values_of("+model", "{units: [1, 2], block: {width: 3}}") == {
        "model.units": [1, 2],
        "model.block.width": 3,
    }
    assert values_of("model{units}", "{units: 1}") == {"model.units": 1}
    assert values_of("model", "cnn") == {"model": "cnn"}


def test_a_key_is_bare_without_what_adds_it():
    assert bare_key("++a.b") == "a.b"
