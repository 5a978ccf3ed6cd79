"""What becomes of the words of a command, each tried by itself."""

import pytest

from lightune.config.composing import composing
from lightune.config.overrides import judged
from lightune.errors import Problem


@pytest.fixture(scope="module")
def tried():
    with composing() as files:
        yield lambda *words, **how: judged(words, files, quote=str, **how)


def test_sound_words_stay_in_their_order_options_first(tried):
    words = tried("optimizer.momentum=0.5", "lr=1", "optimizer=sgd", "seed=3", "note=don't")
    assert words.sound == ["optimizer=sgd", "optimizer.momentum=0.5", "seed=3"]
    assert [problem.key for problem in words.problems] == ["note", "lr"]


def test_a_key_that_an_earlier_word_adds_exists(tried):
    assert tried("+callbacks.x={a: 1}", "callbacks.x.a=2").problems == []


def test_what_an_option_would_have_chosen_is_in_doubt_where_it_cannot_be_had(tried):
    words = tried("data=iris", "seed=1")
    assert words.spoiled == {"data"}
    assert words.sure([Problem("loss", "odd"), Problem("trainer.devices", "odd")]) == [
        Problem("trainer.devices", "odd")
    ]


def test_a_value_after_a_space_is_not_judged_as_empty(tried):
    assert tried("optimizer.lr=", "1").sound == []


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("+seed=1", "exists already: write seed=1"),
        ("~seeed", "cannot be removed: it does not exist; did you mean 'seed'?"),
        ("~seed=7", "The value of 'seed' is 0 and not 7"),
        ("+model=cnn", "has an option already: write model=cnn"),
        ("nothing/more=a", "nothing/more"),
        ("callbacks=[default]", "takes one option, got ['default']"),
        ("model=3", "must be one of its options, got 3"),
        ("model=[1,2]", "must be one of its options, got [1, 2]"),
        ("seed=range(1,4)", "has several values, and a run has one, got range(1,4); add --multirun (-m)"),
    ],
)
def test_a_word_that_cannot_be_applied_says_why(tried, word, rule):
    (problem,) = tried(word).problems
    assert rule in problem.message


def test_sweeps_are_left_or_tried_value_by_value(tried):
    words = ("model.foo=1,2", "seed=1,2", "model=mlp,odd")
    assert tried(*words, sweeps="left").sound == list(words)
    found = tried(*words, sweeps="tried")
    assert found.sound == ["seed=1,2"]
    assert {problem.key for problem in found.problems} == {"model", "model.foo"}
