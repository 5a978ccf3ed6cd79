import pytest

from lightune.config.override_syntax import syntax_problems


@pytest.mark.parametrize(
    ("words", "unread", "key", "advice"),
    [
        (["lr", "=", "1"], [0, 1, 2], "lr", "without a space: <lr=1>"),
        (["a=1", "lr=", "2"], [2], "lr", "without a space: <lr=2>"),
        (["units=[1,", "2]"], [0, 1], "units", "quoted as a whole: <units=[1, 2]>"),
        (["note=don't"], [0], "note", """quoted twice: <note="don't">"""),
        (["a={'b.c': {\"d\": 'e'}, \"f\" :1}"], [0], "a", "without quotes: <a={b.c: {d: 'e'}, f :1}>"),
        (["a={'b': don't}"], [0], "a", "quoted twice: <a="),
        (["lr=intervall(1,2)"], [0], "lr", "did you mean 'interval'?"),
        (["a/b.c=1"], [0], "a/b.c", "is no key; a key is names with dots"),
        (["a/b.c="], [0], "a/b.c", "is no key; a key is names with dots"),
        (["a b=[1"], [0], "a b", "is no key"),
        (["seed"], [0], "seed", "must be KEY=VALUE, got seed"),
    ],
)
def test_it_is_said_how_to_write_what_cannot_be_read(words, unread, key, advice):
    (problem,) = syntax_problems(words, unread, "<{}>".format)
    assert problem.key == key
    assert advice in problem.message
