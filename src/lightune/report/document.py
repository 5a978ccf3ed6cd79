"""A page that needs nothing else, and loads nothing from anywhere.

This module must not import Optuna, torch or Lightning.
"""

import base64
import hashlib
from functools import cache
from importlib import resources

from lightune.reporting.notebook import in_html

__all__ = ["asset", "document"]


def document(title: str, body: str, *, head: str = "", data: str = "", script: str = "") -> str:
    """Return a page whose security policy allows its own style and script, by their hashes, and nothing else.

    Args:
        title: a text.
        body: HTML.
        head: HTML for the head, beside what every page has.
        data: JSON for the script, in which no `<` stands.
        script: what runs; nothing runs without one.
    """
    style = asset("page.css")
    runs = f"script-src '{_digest(script)}'; " if script else ""
    policy = (
        f"default-src 'none'; {runs}style-src '{_digest(style)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    scripts = f'<script type="application/json" id="data">{data}</script><script>{script}</script>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,">{head}<title>{in_html(title)}</title><style>{style}</style></head>'
        f"<body><main>{body}</main>{scripts if script else ''}</body></html>\n"
    )


@cache
def asset(name: str) -> str:
    """Return the text of a file that comes with this package."""
    return resources.files("lightune.report").joinpath(name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
