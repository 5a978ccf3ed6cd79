"""`--where`, `--sort` and `--reverse`."""

import pytest

from lightune.errors import ConfigError
from lightune.report.filters import Condition, parse_where, selected

RECORDS = [
    {"trial": 0, "lr": 0.1, "state": "completed", "note": ""},
    {"trial": 1, "lr": 0.01, "state": "failed", "note": "a and b"},
    {"trial": 2, "lr": None, "state": "early_stopped", "note": "Baseline"},
]


def chosen(where=None, **options):
    return [each["trial"] for each in selected(RECORDS, lambda each: each, where=parse_where(where), **options)]


@pytest.mark.parametrize(
    ("where", "trials"),
    [
        (None, [0, 1, 2]),
        ("lr > 0.05", [0]),
        ("lr<=1e-2", [1]),
        ("lr = .1", [0]),
        ("lr == 0.10 and state = completed", [0]),
        ("state != failed", [0, 2]),
        ("lr != 0.1", [1, 2]),
        ("note ~ base", [2]),
        ("note = 'a and b' and trial >= 1", [1]),
        ('state=Failed && note="a and b"', [1]),
        ("trial > 0, lr < 1", [1]),
    ],
)
def test_conditions_choose(where, trials):
    assert chosen(where) == trials


@pytest.mark.parametrize(
    "where", ["lr", "lr >", "> 3", "lr > 1 state = x", "lr > 1 and", "lr > x", "__import__('os')", "lr > 'a' or 1"]
)
def test_what_is_no_condition_is_refused(where):
    with pytest.raises(ConfigError) as refusal:
        chosen(where)
    assert refusal.value.problems[0].key == "--where"


def test_unknown_keys_are_all_named_at_once():
    with pytest.raises(ConfigError) as refusal:
        chosen("lrr > 1", sort="sate")
    first, second = refusal.value.problems
    assert first.message.startswith("there is no lrr; did you mean 'lr'?; choose from trial, lr,")
    assert (second.key, "did you mean 'state'?" in second.message) == ("--sort", True)


def test_other_names_of_keys_are_taken():
    assert chosen("optimizer.lr > 0.05", names={"optimizer.lr": "lr"}) == [0]


def test_sorting_leaves_what_has_no_value_at_the_end():
    assert chosen(sort="lr") == [1, 0, 2]
    assert chosen(sort="lr", reverse=True) == [0, 1, 2]
    assert chosen(sort="lr", greatest_first=["lr"]) == [0, 1, 2]
    assert chosen(sort="state") == [0, 2, 1]
    assert chosen(reverse=True) == [2, 1, 0]


def test_an_empty_cell_is_unlike_everything():
    assert Condition("x", "!=", "1").holds(None)
    assert not Condition("x", "=", "").holds(None)
