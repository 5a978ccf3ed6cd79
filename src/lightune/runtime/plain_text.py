"""Text of files, trials and libraries as it may be shown: no control codes reach a terminal.

This module must not import torch or Lightning.
"""

import re
import sys

__all__ = ["cell", "escaped", "say", "text_of_cell", "visible"]

_CODES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control codes but the tab and the end of a line, marks that turn the direction of writing, and no characters."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def visible(text: str) -> str:
    r"""Return a text with `\x1b` and the like in place of what a terminal would obey."""
    return _CODES.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def escaped(text: str) -> str:
    r"""Return JSON with `\u009b` and the like in place of what a terminal would obey; it means the same."""
    return _CODES.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def cell(text: str) -> str:
    """Return a text as a cell of a table: what a spreadsheet would take for a formula begins with an apostrophe.

    Numbers stay numbers.
    """
    text = visible(text)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def text_of_cell(content: str) -> str:
    """Return the text that a cell was made of."""
    return content[1:] if content.startswith("'") and _FORMULA.match(content) else content


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def say(what: object, *, error: bool = False) -> None:
    """Print a line.

    Args:
        what: its text.
        error: whether it goes to the standard error.
    """
    print(visible(str(what)), file=sys.stderr if error else sys.stdout, flush=not error)
