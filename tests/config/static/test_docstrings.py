import sys

import pytest

from lightune.config.static.docstrings import described

SOURCE = '''
class Base:
    """What all have.

    Args:
        width: of each layer,
            which may go on: as here.
        depth (int): how many.
    """

class Net(Base):
    """A network
    of two lines.

    It has more to say.

    Args:
        depth: how many layers, > 0.
        *rest: others.

    Raises:
        ValueError: never.
    """

    def __init__(self, depth, width, rate):
        """Make it.

        Args:
            rate: of dropping.
        """

def made(a, b):
    """Make.

    Parameters:
      a: first.
    """

def bare(a): pass
'''


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "said_of.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert "said_of" not in sys.modules


def test_a_class_is_described_with_its_constructor_and_its_bases():
    assert described("said_of.Net") == (
        "A network of two lines.",
        {
            "depth": "how many layers, > 0.",
            "rest": "others.",
            "rate": "of dropping.",
            "width": "of each layer, which may go on: as here.",
        },
    )


def test_a_function_is_described():
    assert described("said_of.made") == ("Make.", {"a": "first."})


@pytest.mark.parametrize("name", ["said_of.bare", "said_of.Nothing", "no_such_module.X"])
def test_what_says_nothing_has_no_description(name):
    assert described(name) == ("", {})


def test_libraries_are_read_as_well():
    head, said = described("pytorch_lightning.callbacks.EarlyStopping")
    assert head == "Monitor a metric and stop training when it stops improving."
    assert said["patience"].startswith("number of checks with no improvement")
