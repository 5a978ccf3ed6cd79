"""How to write what Hydra's grammar cannot read.

This module must not import torch or Lightning.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from lightune.config.override_text import parse_override
from lightune.config.static.annotations import did_you_mean
from lightune.errors import Problem

__all__ = ["syntax_problems"]

_CALL = re.compile(r"([A-Za-z_]\w*)\(")
_FUNCTIONS = (
    "choice",
    "range",
    "interval",
    "glob",
    "shuffle",
    "sort",
    "tag",
    "int",
    "float",
    "str",
    "bool",
    "json_str",
)
_QUOTED_KEY, _BARE_KEY = re.compile(r"""([{,]\s*)(["'])([\w.]+)\2(\s*:)"""), r"\1\3\4"
_CLOSING = {"[": "]", "{": "}", "(": ")"}


def syntax_problems(words: Sequence[str], unread: Sequence[int], quote: Callable[[str], str]) -> Iterator[Problem]:
    """Say how to write what Hydra's grammar cannot read; words that belong together are taken together.

    Args:
        words: of a command.
        unread: the places of those that cannot be read, in their order.
        quote: writes a word as whoever typed it has to type it.
    """
    places = iter(unread)
    for place in places:
        word = words[place]
        key, has_value, value = word.partition("=")
        following = words[place + 1 :]
        if not has_value and following[:1] and following[0].startswith("="):  # key = value, or key =value
            rest = [following[0].removeprefix("="), *following[1:]]
            joined = f"{key}={next((part for part in rest if part), '')}"
            for _ in range(1 if following[0] != "=" else 2):
                next(places, None)
            yield Problem(key, f"a value follows its key without a space: {quote(joined)}")
        elif not has_value and place and words[place - 1].endswith("="):  # key= value
            key = words[place - 1].removesuffix("=")
            yield Problem(key, f"a value follows its key without a space: {quote(f'{key}={word}')}")
        elif not has_value:
            yield Problem(word, f"must be KEY=VALUE, got {word}")
        elif not _can_be_read(f"{key}=1"):
            yield Problem(key, "is no key; a key is names with dots between them, as in optimizer.lr=0.1")
        elif (
            (call := _CALL.match(value))
            and call[1] not in _FUNCTIONS
            and (hint := did_you_mean(call[1], _FUNCTIONS))
        ):
            yield Problem(key, f"{call[1]}(…) is no function of a sweep;{hint}")
        elif _can_be_read(bare := f"{key}={_QUOTED_KEY.sub(_BARE_KEY, value)}"):
            yield Problem(key, f"keys of a mapping are written without quotes: {quote(bare)}")
        elif value[:1] in _CLOSING and value.count(value[0]) != value.count(_CLOSING[value[0]]):
            whole = _until_closed(word, following)
            if whole == word:
                yield Problem(key, f"a bracket is not closed; if it is text: {_as_text(key, value, quote)}")
                continue
            for _ in whole[len(word) :].split():
                next(places, None)
            yield Problem(key, f"a value with spaces is quoted as a whole: {quote(whole)}")
        else:
            yield Problem(key, f"a value with special characters is quoted twice: {_as_text(key, value, quote)}")


def _can_be_read(word: str) -> bool:
    try:
        parse_override(word)
    except HydraException:
        return False
    return True


def _as_text(key: str, value: str, quote: Callable[[str], str]) -> str:
    """Return an override whose value is this text, as it has to be typed."""
    return quote(f"{key}={QuotedString(value, Quote.double).with_quotes()}")


def _until_closed(word: str, following: Sequence[str]) -> str:
    """Join words until every bracket of the first is closed."""
    whole = word
    for each in following:
        whole = f"{whole} {each}"
        if all(whole.count(left) == whole.count(right) for left, right in _CLOSING.items()):
            return whole
    return word
