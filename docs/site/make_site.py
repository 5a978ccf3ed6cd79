"""Build the site of the documentation.

    make docs

Pages are gathered in build/docs: those of docs/, those beside them that they link to, and the reference, which is
made of configuration files, signatures and docstrings. Zensical makes site/ of them. A link that leads nowhere, a
page that the navigation lacks or has too much, and a docstring that cannot be read end it.
"""

import contextlib
import io
import logging
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))

from api_pages import api_pages, documented  # noqa: E402
from reference_pages import reference_pages  # noqa: E402

__all__ = ["Site", "docstring_problems", "gather", "navigation", "problems"]

DOCS = ROOT / "docs"
GATHERED = ROOT / "build" / "docs"
SETTINGS = ROOT / "zensical.toml"
ELSEWHERE = {
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "CHANGELOG.md": "changelog.md",
    **{page: f"examples/{page.parent.name}.md" for page in sorted((ROOT / "examples").glob("*/README.md"))},
}
"""Pages outside of docs/, with their places on the site."""
STYLE = DOCS / "site" / "style.css"
_FENCE = re.compile(r"^(```\w*) (\S+)$", re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


@dataclass
class Site:
    """What the site is made of.

    Args:
        pages: the text of each page, by its path.
        files: what pages show or offer, by its path.
        broken: links that lead nowhere.
    """

    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def gather() -> Site:
    """Return the pages, written and made, and the files that they link to."""
    site = Site(files={"assets/style.css": STYLE})
    written = {page: page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md"))} | ELSEWHERE
    for source, place in written.items():
        site.pages[place] = _as_on_the_site(source, place, written, site)
    for place, text in (reference_pages() | api_pages()).items():
        site.pages[place] = site.pages.get(place, "") + text
    return site


def _as_on_the_site(source: Path, place: str, written: Mapping[Path, str], site: Site) -> str:
    """Return a page with its links as they are on the site, and the names of files as titles of what they hold."""

    def moved(link: re.Match[str]) -> str:
        path, anchor = link["path"], link["anchor"] or ""
        if "://" in path or path.startswith("mailto:"):
            return link[0]
        goal = (source.parent / path).resolve()
        if goal in written:
            return _relative(written[goal], place) + anchor
        if not goal.is_file() or not goal.is_relative_to(ROOT):
            site.broken.append(f"{source.relative_to(ROOT)}: {path} leads nowhere")
            return link[0]
        inside = goal.relative_to(DOCS if goal.is_relative_to(DOCS) else ROOT).as_posix()
        target = inside if goal.is_relative_to(DOCS) else f"files/{inside}"
        site.files[target] = goal
        return _relative(target, place) + anchor

    text = _FENCE.sub(r'\1 title="\2"', source.read_text(encoding="utf-8"))
    pieces = _CODE.split(text)
    return "".join(piece if number % 2 else _LINK.sub(moved, piece) for number, piece in enumerate(pieces))


def _relative(target: str, place: str) -> str:
    up = len(PurePosixPath(place).parts) - 1
    return "../" * up + target


def navigation(settings: Mapping[str, Any]) -> list[str]:
    """Return the pages that the navigation has, in its order.

    Args:
        settings: of `zensical.toml`.
    """

    def pages(entries: Sequence[Any]) -> Iterator[str]:
        for entry in entries:
            values = entry.values() if isinstance(entry, dict) else [entry]
            for value in values:
                yield from [value] if isinstance(value, str) else pages(value)

    return list(pages(settings["project"]["nav"]))


def problems(site: Site, listed: Sequence[str]) -> list[str]:
    """Return what is wrong before a page is made: links, the navigation, docstrings.

    Args:
        site: as it was gathered.
        listed: the pages of the navigation.
    """
    found = list(site.broken)
    found += [f"{page} is not in the navigation of {SETTINGS.name}" for page in site.pages if page not in listed]
    found += [f"{SETTINGS.name} names {page}, which is no page" for page in listed if page not in site.pages]
    found += [f"{SETTINGS.name} names {page} twice" for page in sorted({*listed}) if listed.count(page) > 1]
    return found + docstring_problems(documented(), ROOT / "src", "lightune")


def docstring_problems(names: Sequence[str], folder: Path, package: str) -> list[str]:
    """Return what is missing of docstrings, or cannot be read of them.

    Args:
        names: dotted paths of what is shown.
        folder: that holds the package.
        package: its name.
    """
    import griffe

    loader = griffe.GriffeLoader(search_paths=[str(folder)], docstring_parser="google")
    loader.load(package)
    loader.resolve_aliases(external=False)
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("griffe").addHandler(handler)
    found = []
    for path in names:
        try:
            shown = loader.modules_collection[path]
        except KeyError:
            found.append(f"{path} does not exist")
            continue
        parts = [shown, *(member for member in shown.members.values() if member.is_public and not member.is_alias)]
        found += [f"{part.path} has no docstring" for part in parts if not part.has_docstring and _needs_one(part)]
        for part in parts:
            if part.docstring is not None:
                _ = part.docstring.parsed
    logging.getLogger("griffe").removeHandler(handler)
    return found + said.getvalue().splitlines()


def _needs_one(part: Any) -> bool:
    return bool(part.is_class or part.is_function) and not part.name.startswith("_")


def _write(site: Site) -> None:
    """Write what was gathered, and nothing else."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(GATHERED)
    for place, text in site.pages.items():
        (GATHERED / place).parent.mkdir(parents=True, exist_ok=True)
        (GATHERED / place).write_text(_CODE.sub(_without_escapes, text), encoding="utf-8")
    for place, source in site.files.items():
        (GATHERED / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, GATHERED / place)


def _without_escapes(code: re.Match[str]) -> str:
    """Return code with its bars as they are: in a table GitHub wants them escaped, and Zensical does not."""
    return code[0] if code[0].startswith("```") else code[0].replace("\\|", "|")


def main() -> None:
    """Gather, look for what is wrong, and have Zensical build."""
    site = gather()
    found = problems(site, navigation(tomllib.loads(SETTINGS.read_text(encoding="utf-8"))))
    if found:
        sys.exit("\n".join(["the site was not built", *(f"  {problem}" for problem in found)]))
    _write(site)
    program = Path(sys.executable).with_name("zensical")
    command = [str(program), "build", "--clean", "--strict", "--config-file", str(SETTINGS)]
    ran = subprocess.run(
        command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _, reason = _COLOUR.sub("", ran.stdout).partition("Traceback (most recent call last):")
    print(said.strip(), *reason.strip().splitlines()[-1:], sep="\n")
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
