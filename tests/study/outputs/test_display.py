"""What a study shows while it runs: a line for each trial, or a table on a terminal."""

import io

import pytest
from rich.console import Console

from lightune.study.outcome.outcome import Outcome
from lightune.study.outputs.display import Display


@pytest.fixture
def show(open_store):
    """Run two trials before a display; return what was shown."""

    def run(*, terminal):
        store, text = open_store("x=1,2"), io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=200, height=50, color_system=None)
        with Display(console, store, name="study", ended=0) as display:
            for outcome in (Outcome("completed", (0.25,), 1.5), Outcome("failed", None, 0.5, "told to")):
                number = store.ask(set()).number
                display.trial_started(number)
                display.tick()
                store.tell(number, outcome)
                display.trial_ended(store.record(number))
            display.message("[a] line")
        return text.getvalue()

    return run


def test_each_trial_has_a_line_where_nobody_watches(show):
    assert show(terminal=False).splitlines() == [
        "[1/2] trial 0  completed  value 0.25  1.5 s  x=1  (best)",
        "[2/2] trial 1  failed  0.5 s  x=2  told to  (best: trial 0 with 0.25)",
        "[a] line",
    ]


def test_a_terminal_has_a_table_of_what_runs_and_what_is_best(show):
    text = show(terminal=True)
    assert "study: 0 done, 1 running, 0 pruned, 0 failed of 2" in text
    assert "study: 1 done, 0 running, 0 pruned, 1 failed of 2" in text
    assert "trial 1  failed  0.5 s  x=2  told to" in text  # a failure keeps its line
    assert "[1/2]" not in text
