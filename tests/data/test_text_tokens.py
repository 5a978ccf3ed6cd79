import sys

import pytest
import tokenizers
import torch

from lightune.data.preparation import preparation_from
from lightune.data.text_tokens import PADDING, UNKNOWN_TOKEN, TextPreparation, cut, cutter, interned, numbered


@pytest.mark.parametrize(
    ("text", "kind", "tokens"),
    [
        ("It's  Fine!?", "word", ["it", "'", "s", "fine", "!?"]),
        ("Ärger_1 日本", "word", ["ärger_1", "日本"]),
        ("ok 👍🏽👍", "word", ["ok", "👍🏽👍"]),
        ("Ab c", "char", ["a", "b", " ", "c"]),
        ("é👍", "byte", ["c3", "a9", "f0", "9f", "91", "8d"]),
        ("a\ud800", "byte", ["61", "3f"]),
        ("", "word", []),
        ("  \n", "word", []),
    ],
)
def test_texts_are_cut_into_tokens(text, kind, tokens):
    assert cut(text, kind) == tokens


def test_capital_letters_can_count():
    assert cut("Ab", "char", lowercase=False) == ["A", "b"]
    assert cut("AB", "byte") == cut("ab", "byte") != cut("AB", "byte", lowercase=False)


def test_tokens_are_numbered_as_they_come_and_texts_padded():
    raw, tokens = interned([["b", "a", "b", "c"], [], ["d"]], max_length=3)
    assert tokens == ["b", "a", "d"]
    assert raw.tolist() == [[0, 1, 0], [-1, -1, -1], [2, -1, -1]]
    assert raw.dtype == torch.int32
    assert interned([[], []], 3)[0].tolist() == [[-1], [-1]]


def test_known_tokens_have_their_numbers_and_others_none():
    raw = numbered([["a", "new", "b", "a"], []], {"a": 7, "b": 2}, max_length=3)
    assert raw.tolist() == [[7, -2, 2], [-1, -1, -1]]


def fitted(rows, tokens, **limits):
    return TextPreparation.fit(torch.tensor(rows, dtype=torch.int32), tokens=tokens, **limits)


def test_a_vocabulary_is_of_what_training_rows_hold_often_enough():
    prepared = fitted([[3, 1, 1], [3, 1, -1], [0, -1, -1]], 5, min_frequency=2)
    assert prepared.vocabulary == 4
    assert prepared(torch.tensor([[1, 3, 0, 4, -2, -1]])).tolist() == [[2, 3, *[UNKNOWN_TOKEN] * 3, PADDING]]
    assert fitted([[3, 1, 1]], 5, max_vocabulary=1)(torch.tensor([[1, 3]])).tolist() == [[2, UNKNOWN_TOKEN]]


def test_tokens_that_stand_as_often_are_in_the_order_of_training_rows():
    assert fitted([[4, 2, 0]], 5)(torch.tensor([[4, 2, 0]])).tolist() == [[2, 3, 4]]
    assert fitted([[4, 2, 0]], 5, max_vocabulary=1)(torch.tensor([[4, 2, 0]])).tolist() == [[2, 1, 1]]


def test_without_a_known_token_everything_is_unknown():
    for prepared in (fitted([[-1]], 2), fitted([[0, 1]], 2, min_frequency=5)):
        assert prepared.vocabulary == 2
        assert prepared(torch.tensor([[0, -1]])).tolist() == [[UNKNOWN_TOKEN, PADDING]]


def test_a_vocabulary_is_kept_as_plain_values():
    prepared = fitted([[3, 1, 1]], 5)
    again = preparation_from(prepared.plain())
    assert isinstance(again, TextPreparation)
    assert torch.equal(again.table, prepared.table)
    assert again.vocabulary == prepared.vocabulary


def tokenizer_text(*, padded=False):
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({"[U]": 0, "pur": 1, "##r": 2, "M": 3}, unk_token="[U]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[U] $A", special_tokens=[("[U]", 0)]
    )
    if padded:
        tokenizer.enable_padding(length=9)
        tokenizer.enable_truncation(1)
    return tokenizer.to_str()


@pytest.mark.parametrize("padded", [False, True])
def test_a_tokenizer_cuts_as_its_file_says_and_adds_nothing(padded):
    cut_by_it = cutter("word", lowercase=True, tokenizer=tokenizer_text(padded=padded))
    assert cut_by_it("purr M woof") == ["pur", "##r", "M", "[U]"]
    assert cutter("char", lowercase=False)("aB") == ["a", "B"]


def test_what_is_no_tokenizer_and_a_missing_package_are_said(monkeypatch):
    with pytest.raises(ValueError, match=r"^is no tokenizer of the package tokenizers \(Model missing"):
        cutter("t.json", tokenizer="{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(
        ValueError, match=r"^needs tokenizers, which is not installed; pip install 'lightune\[text\]'$"
    ):
        cutter("t.json", tokenizer=tokenizer_text())
