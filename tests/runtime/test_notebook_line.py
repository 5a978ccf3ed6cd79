"""One line of a notebook that is written again in its place."""

from lightune.runtime import notebook_line
from lightune.runtime.notebook_line import NotebookLine


def test_a_text_is_replaced_by_the_next_at_most_so_often(cell, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(notebook_line.time, "monotonic", lambda: now[0])
    line = NotebookLine(every=1.0)
    line.show("a")
    line.show("b")
    assert (cell.texts, line.is_due) == (["a"], False)
    now[0] = 101.0
    line.show("\x1b[2Jc")
    assert (cell.texts, cell.writings) == (["\\x1b[2Jc"], 2)
    line.show("d", last=True)
    assert (cell.texts, cell.writings) == (["d"], 3)
