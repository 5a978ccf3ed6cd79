"""Let system calls of the programs that a test starts fail, by `tests/faults/soak/sabotage/sitecustomize.py`."""

import json
from pathlib import Path

import pytest

SABOTAGE = Path(__file__).resolve().parents[1] / "faults" / "soak" / "sabotage"


@pytest.fixture
def sabotage(tmp_path, monkeypatch):
    """Let calls fail in programs that are started from now on, or let them be; returns the file with those met."""
    met = tmp_path / "met.txt"

    def begin(calls=(), *, root=tmp_path, **wanted):
        if not calls:
            monkeypatch.delenv("SABOTAGE")
            monkeypatch.delenv("PYTHONPATH")
            return
        plan = {"root": str(root), "calls": calls, "who": "any", "after": 0, "times": 1, "log": str(met), **wanted}
        monkeypatch.setenv("SABOTAGE", json.dumps(plan))
        monkeypatch.setenv("PYTHONPATH", str(SABOTAGE))

    begin.met = met
    return begin
