"""docs/architecture.md names files that exist, and its pictures show the rooms as they are."""

import re
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PICTURES = PROJECT / "docs" / "pictures"
SOURCE = PROJECT / "src" / "lightune"


@pytest.fixture(scope="module")
def drawn():
    sys.path.insert(0, str(PICTURES))
    try:
        import architecture
    finally:
        sys.path.remove(str(PICTURES))
    return architecture


def named_files():
    """Return what the page calls by a path: everything in backquotes that has a slash or ends in .py."""
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\s]+)`", text)
    return sorted({span for span in spans if re.fullmatch(r"[\w/.]+(/|\.py|\.toml|\.yaml)", span)})


def test_the_page_names_files():
    assert len(named_files()) > 30


@pytest.mark.parametrize("name", named_files())
def test_every_file_that_the_page_names_exists(name):
    places = [SOURCE / name, PROJECT / name, PROJECT / "src" / name]

    assert any(place.exists() for place in places)


def named_words():
    """Return what the page says stands in a file: `word` of `file.py`, and `word` (`file.py`)."""
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", text)
    return sorted(set(re.findall(r"`([A-Za-z_]+)`,? (?:of|in|\()\s?`([\w/]+\.py)`", text)))


def test_the_page_names_words_of_files():
    assert len(named_words()) > 30


@pytest.mark.parametrize(("word", "name"), named_words())
def test_every_word_that_the_page_names_stands_in_its_file(word, name):
    files = [place for place in (SOURCE / name, PROJECT / name, PROJECT / "src" / name) if place.is_file()]

    assert any(re.search(rf"\b{word}\b", file.read_text(encoding="utf-8")) for file in files)


def test_every_file_of_a_trials_way_exists(drawn):
    assert [file for _, file, _ in drawn.WAY if not (SOURCE / file).is_file()] == []


@pytest.mark.parametrize("name", ["rooms.svg", "trial.svg"])
def test_a_picture_is_what_its_script_draws(drawn, name):
    picture = (PICTURES / name).read_text(encoding="utf-8")

    assert picture == drawn.PICTURES[name](), "draw it again: python docs/pictures/architecture.py"


def test_every_room_has_a_place_in_the_order_of_imports(drawn):
    rooms = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    ordered = {room for layer in drawn.layers() for room in layer}

    assert rooms - {"__init__", "__main__", "__pycache__"} <= ordered
