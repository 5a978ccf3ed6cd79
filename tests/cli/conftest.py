"""Studies as their folders show them, without the trials that made them."""

import pytest
from studies import write_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write what the tool reads of a study below the outputs folder; return its folder."""
    monkeypatch.chdir(tmp_path)

    def write(*lines, name="s", **about):
        return write_study(tmp_path / "outputs" / "studies" / name, *lines, **about)

    return write
