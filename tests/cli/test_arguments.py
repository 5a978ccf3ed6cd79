"""Wrong words of the companion tool are refused in our lines, all at once."""

import re

import pytest


@pytest.fixture
def refusal(tool, tmp_path, monkeypatch):
    """Return what is said of words, key → rule; argparse's own usage lines are never among it."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code, out, err = tool(*words)
        assert (code, out) == (2, "")
        head, *lines = err.splitlines()
        assert re.fullmatch(r"lightune: \d+ problems?, nothing was started", head)
        return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in lines)

    return call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], {"COMMAND": "must be one of list, show, .*; --help says what each does"}),
        (
            ["train"],
            {"COMMAND": "is no command of lightune, got train; lightune-train trains, and with -m searches"},
        ),
        (["lst"], {"COMMAND": "must be one of list, show, .*, got lst; did you mean 'list'\\?"}),
        (
            ["predict"],
            {"RUN": "must be given: folder of a run, ", "--input": "must be given: files with new samples"},
        ),
        (
            ["predict", "r", "--inptu", "x"],
            {"--inptu": "is no option of lightune predict; did you mean '--input'\\?"},
        ),
        (
            ["predict", "r", "--input", "x", "--sets", "2", "--reject", "all", "--odd"],
            {
                "--sets": "must be between 0 and 1, got 2",
                "--reject": "must be one of none, confidence, distance, got all",
                "--odd": "is no option of lightune predict; lightune predict --help lists what it takes",
            },
        ),
        (["predict", "r", "--input"], {"--input": "needs a value: files with new samples"}),
        (
            ["predict", "r", "--input", "x", "--o", "y"],
            {"--o": "may be --output, --on-unreadable; write it in full"},
        ),
        (["evaluate"], {"RUN": "must be given: the run's folder"}),
        (["evaluate", "r", "--json=yes"], {"--json": "takes no value, got yes"}),
        (["evaluate", "r", "--split", "train"], {"--split": "must be one of test, val, got train"}),
        (["export"], {"RUN": "must be given", "--to": "must be given: onnx, or torch_export"}),
        (
            ["export", "--to", "onxx"],
            {"RUN": "must be given", "--to": "must be one of .* got onxx; did you mean 'onnx'"},
        ),
        (["best"], {"STUDY": "must be given: the study's folder, or its name"}),
        (["list", "a", "b"], {"b": "is more than lightune list takes; lightune list --help lists what it takes"}),
        (["list", "--jsn"], {"--jsn": "is no option of lightune list; "}),
        (
            ["models", "torchvison"],
            {"torchvision": "must be torchvision, got torchvison; did you mean 'torchvision'"},
        ),
    ],
    ids=str,
)
def test_wrong_words_are_refused_all_at_once_by_their_rules(refusal, words, said):
    found = refusal(*words)
    assert found.keys() == said.keys()
    for key, rule in said.items():
        assert re.match(rule, found[key]), found[key]


def test_words_of_a_stranger_are_shown_as_text(refusal):
    assert list(refusal("list", "a", "\x1b[31mred")) == ["\\x1b[31mred"]


def test_a_refusal_leaves_the_help_as_it_was(refusal, tool):
    before = tool("predict", "--help").out
    refusal("predict", "--sets", "2")
    after = tool("predict", "--help")
    assert (after.code, after.out) == (0, before)
    assert "--input PATH" in before
