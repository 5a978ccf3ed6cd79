"""Trials that may train together come to the same process, and no process is idle."""

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.study.executors.assignment import assign, kind
from lightune.study.executors.executor import Job
from lightune.training.fused.compatibility import structure
from lightune.trial import Trial


def jobs(kinds, first=0, **how):
    """Make trials of the kinds that the letters name; they differ in a learning rate beside."""
    return [
        Job(Trial(number), (f"optimizer.lr=0.{number}1", f"model.units={letter}"), **how)
        for number, letter in enumerate(kinds, start=first)
    ]


def letters(places):
    return ["".join(sorted(job.overrides[1][-1] for job in place)) for place in places]


@pytest.mark.parametrize(
    ("kinds", "places", "assignt"),
    [
        ("aaaaaaaa", 2, ["aaaa", "aaaa"]),
        ("abababab", 2, ["aaaa", "bbbb"]),
        ("aaaaabbb", 2, ["aaaaa", "bbb"]),
        ("aaaaaabb", 2, ["aaaa", "aabb"]),
        ("aabbccdd", 2, ["aacc", "bbdd"]),
        ("abcdefgh", 4, ["ae", "bf", "cg", "dh"]),
        ("aaa", 2, ["aa", "a"]),
        ("aa", 2, ["a", "a"]),
        ("a", 3, ["a", "", ""]),
        ("aab", 2, ["aa", "b"]),
        ("a" * 9 + "b" * 2, 3, ["aaaa", "aaaaa", "bb"]),
    ],
)
def test_a_batch_is_divided_by_kinds_into_about_equal_shares(kinds, places, assignt):
    assert letters(assign(jobs(kinds), [[]] * places, most=16)) == assignt


@pytest.mark.parametrize(
    ("has", "comes", "assignt"),
    [
        (["aaaa", "bbb"], "a", ["a", ""]),
        (["aaaa", "bbb"], "b", ["", "b"]),
        (["aaaa", "bbb"], "c", ["", "c"]),
        (["aaaa", "b"], "a", ["", "a"]),  # which would have too little to do
        (["aaaa", ""], "a", ["", "a"]),
        (["aaaaa", "aaaa"], "a", ["", "a"]),
        (["aaaaaaaa", "bbbbbb"], "a", ["", "a"]),  # where there is no room
        (["bbb", "aaaa"], "ab", ["b", "a"]),
    ],
)
def test_a_trial_goes_where_its_kind_is_unless_another_place_lacks_work(has, comes, assignt):
    places = [jobs(kinds, first=100 * (place + 1)) for place, kinds in enumerate(has)]
    assert letters(assign(jobs(comes), places, most=8)) == assignt


def test_what_has_no_room_is_left():
    assignt = assign(jobs("aaaaabb"), [jobs("aa", first=10), []], most=3)
    assert [len(place) for place in assignt] == [1, 3]
    assert assign(jobs("aa"), [], most=4) == []


def test_trials_that_run_alone_are_divided_evenly():
    assignt = assign(jobs("aaaaaa", alone=True), [[], []], most=8)
    assert [len(place) for place in assignt] == [3, 3]


VARIED = [
    (),
    *(("optimizer.lr=0.1",), ("optimizer.betas=[0.8,0.99]",), ("seed=5",), ("scheduler=cosine",)),
    *(("regularization.l2=1e-3",), ("model.dropout=0.3",), ("loss.label_smoothing=0.1",)),
    *(("callbacks.early_stopping.patience=9",), ("regularization.gradient_clip=1.0",)),
    *(("model.units=32",), ("data.batch_size=16",), ("trainer.max_epochs=7",), ("optimizer=sgd",)),
    *(("model.layers=3", "optimizer.lr=0.1"), ("model.layers=3",), ("optimizer.amsgrad=true",)),
]


def test_kinds_are_what_a_process_may_train_together():
    trees = [OmegaConf.to_container(compose(list(overrides)), resolve=True) for overrides in VARIED]
    structures = [structure(tree) for tree in trees]
    kinds = [kind(Job(Trial(number), overrides)) for number, overrides in enumerate(VARIED)]
    for one in range(len(VARIED)):
        for other in range(one):
            alike = structures[one] == structures[other]
            assert (kinds[one] == kinds[other]) == alike, (VARIED[one], VARIED[other])
