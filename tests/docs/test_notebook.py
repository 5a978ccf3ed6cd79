"""The notebook of the documentation is run from top to bottom, and shows what it says."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

NOTEBOOK = Path(__file__).parents[2] / "docs" / "study.ipynb"


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; return what its last line is, if that is an expression."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    trained, searched, best, page, tested = (run(cell, names) for cell in cells)
    assert "<th>status</th><td>completed</td>" in trained._repr_mimebundle_()["text/html"]
    shown = searched._repr_mimebundle_()
    assert "4 trials: 4 completed" in shown["text/html"]
    number, (value,), point = best
    assert value == max(trial.reached for trial in names["study"].trials)
    assert (number, list(point)) == (names["study"].best.number, ["optimizer.lr"])
    assert page == ("report.html", 6)
    assert "test/accuracy" in tested


def test_the_notebook_holds_no_outputs():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert [cell for cell in content["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
