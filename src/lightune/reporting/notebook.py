"""What a notebook shows of a run or a study: a text, and HTML without a script, in the notebook's own colours.

This module must not import torch or Lightning.
"""

import html
from collections.abc import Sequence

from lightune.runtime.plain_text import visible

__all__ = ["in_html", "pairs_in_html"]


def in_html(text: str) -> str:
    """Return a text as HTML shows it, whatever it holds."""
    return html.escape(visible(text))


def pairs_in_html(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and what belongs to each."""
    rows = (f"<tr><th>{in_html(name)}</th><td>{in_html(value)}</td></tr>" for name, value in pairs)
    return f"<table>{''.join(rows)}</table>"
