"""Texts as numbers: cut into tokens, each known by its place among all that were seen, then by a vocabulary."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

__all__ = ["PADDING", "UNKNOWN_TOKEN", "TextPreparation", "Tokens", "cut", "cutter", "interned", "numbered"]

Tokens = Literal["word", "char", "byte"]

PADDING, UNKNOWN_TOKEN = 0, 1
"""What stands in a text's free places, and for a token that training did not have, or too seldom."""

_NEVER_SEEN = -2
_FREE = -1
_WORD = re.compile(r"\w+|[^\w\s]+")


def cut(text: str, tokens: Tokens, *, lowercase: bool = True) -> list[str]:
    """Return the tokens of a text: words and runs of punctuation, characters, or bytes of its UTF-8."""
    text = text.lower() if lowercase else text
    if tokens == "word":
        return _WORD.findall(text)
    return list(text) if tokens == "char" else [f"{byte:02x}" for byte in text.encode(errors="replace")]


def cutter(tokens: str, *, lowercase: bool = True, tokenizer: str = "") -> Callable[[str], list[str]]:
    """Return what cuts a text into tokens.

    Args:
        tokens: `word`, `char` or `byte`; of no use beside a tokenizer.
        lowercase: whether capital letters count as small ones; a tokenizer decides that itself.
        tokenizer: the JSON text of a tokenizer of the package tokenizers; empty for none. What it would add, cut
            off or fill up is left out.

    Raises:
        ValueError: if the package is not installed, or the text is no tokenizer.
    """
    if not tokenizer:
        return partial(cut, tokens=cast(Tokens, tokens), lowercase=lowercase)
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ValueError("needs tokenizers, which is not installed; pip install 'lightune[text]'") from error
    try:
        made = Tokenizer.from_str(tokenizer)
    except Exception as error:
        raise ValueError(f"is no tokenizer of the package tokenizers ({error})") from error
    made.no_padding()
    made.no_truncation()

    def cut_by_it(text: str) -> list[str]:
        found: list[str] = made.encode(text, add_special_tokens=False).tokens
        return found

    return cut_by_it


def interned(texts: Iterable[Sequence[str]], max_length: int) -> tuple[Tensor, list[str]]:
    """Return the tokens of texts by their numbers, and the tokens in the order of their numbers.

    A token's number says nothing but which it is, so that it may be given before texts are divided.

    Args:
        texts: tokens of each.
        max_length: tokens that are kept of each text, from its beginning, > 0.

    Returns:
        (N, T) int32, T the length of the longest, at least 1; -1 behind the end of a text. And the tokens.
    """
    numbers: dict[str, int] = {}
    rows = [[numbers.setdefault(token, len(numbers)) for token in text[:max_length]] for text in texts]
    return _padded(rows), list(numbers)


def numbered(texts: Iterable[Sequence[str]], known: Mapping[str, int], max_length: int) -> Tensor:
    """Return the tokens (N, T) int32 of texts by the numbers that they are known by; -2 for others."""
    return _padded([[known.get(token, _NEVER_SEEN) for token in text[:max_length]] for text in texts])


class TextPreparation(nn.Module):
    """Map interned tokens to a vocabulary: those that training rows hold often enough.

    Args:
        places: (K,) int64, interned token → place in the vocabulary; `UNKNOWN_TOKEN` for what is not in it.
    """

    def __init__(self, places: Tensor) -> None:
        super().__init__()
        special = torch.tensor([UNKNOWN_TOKEN, PADDING])  # of -2 and -1
        self.register_buffer("table", torch.cat([special, places]))
        self.table: Tensor
        self.vocabulary = max(_largest(places), UNKNOWN_TOKEN) + 1  # its size, with padding and the unknown

    @classmethod
    def fit(cls, raw: Tensor, *, tokens: int, min_frequency: int = 1, max_vocabulary: int = 20_000) -> Self:
        """Learn from training rows only; tokens that stand as often are known in their order there.

        Args:
            raw: (N, T) int32 interned tokens, -1 where there is none.
            tokens: how many are interned.
            min_frequency: times that a token must stand in the training rows to be known, > 0.
            max_vocabulary: tokens that are known at most, the commonest, > 0.
        """
        flat = raw[raw >= 0].long()
        seen = torch.bincount(flat, minlength=tokens)
        first = torch.full((tokens,), len(flat)).scatter_reduce(0, flat, torch.arange(len(flat)), "amin")
        by_place = torch.argsort(first, stable=True)
        order = by_place[torch.argsort(seen[by_place], descending=True, stable=True)][:max_vocabulary]
        chosen = order[seen[order] >= min_frequency]
        places = torch.full((tokens,), UNKNOWN_TOKEN)
        places[chosen] = torch.arange(len(chosen)) + UNKNOWN_TOKEN + 1
        return cls(places)

    def forward(self, raw: Tensor) -> Tensor:
        """Map interned tokens (B, T) to their places in the vocabulary (B, T) int64; 0 where there is none."""
        return self.table[raw.long() + 2]

    def plain(self) -> dict[str, Any]:
        """Return what it has learnt."""
        return {"kind": "text", "places": self.table[2:]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Make it of what `plain` returned."""
        return cls(plain["places"])


def _largest(places: Tensor) -> int:
    return int(places.max()) if len(places) else 0


def _padded(rows: list[list[int]]) -> Tensor:
    width = max((len(row) for row in rows), default=0) or 1
    return torch.tensor([row + [_FREE] * (width - len(row)) for row in rows], dtype=torch.int32)
