"""Read a page as a browser without JavaScript does, and as an attacker would hope that it is read."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

_RUNS = {"script"}
_SCRIPT_TYPES = {"", "text/javascript", "module"}


class Page(HTMLParser):
    """What stands in a page: its texts, its elements, and the data of its script.

    Args:
        text: of the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.code: list[tuple[dict[str, str], str]] = []
        self._within: tuple[str, dict[str, str]] | None = None
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take notice of an element."""
        about = {name: value or "" for name, value in attrs}
        self.elements.append((tag, about))
        self._within = (tag, about) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._within = None

    def handle_data(self, data: str) -> None:
        """Take notice of a text, or of a script."""
        if self._within is not None:
            self.code.append((self._within[1] | {"element": self._within[0]}, data))
        elif data.strip():
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is read."""
        return " ".join(self.texts)

    @property
    def data(self) -> dict[str, Any]:
        """What the script is given."""
        (found,) = (text for about, text in self.code if about.get("id") == "data")
        return json.loads(found)

    def run(self) -> list[str]:
        """Return the scripts that a browser would run."""
        return [
            t for about, t in self.code if about["element"] in _RUNS and about.get("type", "") in _SCRIPT_TYPES
        ]

    def allowed(self) -> set[str]:
        """Return the digests that the policy of the page allows."""
        (policy,) = (a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy")
        return set(re.findall(r"'(sha256-[^']+)'", policy))


def digest_of(text: str) -> str:
    """Return the digest of a script as a policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
