"""What a study shows while it runs: a line for each trial, or a table on a terminal."""

import io

import pytest
from notebooks import notebook_console
from rich.console import Console

from lightune.study.outcome.outcome import Outcome
from lightune.study.outputs.display import Display, epoch_of


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


LINE = "2026-11-29 10:00:00,000 INFO    lightune: {}\n"


def test_how_far_a_trial_is_stands_in_its_log(tmp_path):
    assert epoch_of(tmp_path) == ""
    log = tmp_path / "train.log"
    log.write_text(LINE.format("going on from epoch 3"))
    assert epoch_of(tmp_path) == ""
    log.write_text("".join(LINE.format(f"epoch {epoch}/200  train/loss 0.5  best 0.9") for epoch in range(1, 151)))
    assert epoch_of(tmp_path) == "epoch 150/200"
    log.write_text(LINE.format("fit 2/5  epoch 3/20  train/loss 0.5"))
    assert epoch_of(tmp_path) == "fit 2/5 epoch 3/20"


def shown_while_running(open_store, console, now, monkeypatch):
    """Show a trial that runs, a second later again; return the display and its store."""
    monkeypatch.setattr("lightune.study.outputs.display.time.monotonic", lambda: now[0])
    store = open_store("x=1,2")
    trial = store.ask(set())
    store.note_folder(trial.number, store.folder / "0")
    (store.folder / "0").mkdir()
    display = Display(console, store, name="study", ended=0)
    with display:
        display.trial_started(trial.number)
        (store.folder / "0" / "train.log").write_text(LINE.format("epoch 3/20  train/loss 0.5"))
        display.tick()
        now[0] += 1.5
        display.tick()
        store.tell(trial.number, Outcome("completed", (0.25,), 1.5))
        display.trial_ended(store.record(trial.number))


def test_a_terminal_of_60_columns_tells_how_far_each_trial_is(open_store, monkeypatch):
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=60, height=50, color_system=None)
    shown_while_running(open_store, console, [100.0], monkeypatch)
    lines = text.getvalue().splitlines()
    assert any("0      epoch 3/20" in line for line in lines)
    assert "about 2 s left" in " ".join(" ".join(lines).split())
    assert max(len(line) for line in lines if "\x1b" not in line) <= 60


def test_a_notebook_has_one_line(open_store, monkeypatch, cell):
    shown_while_running(open_store, notebook_console(), [100.0], monkeypatch)
    (line,) = cell.texts
    title = "study: 1 done, 0 running, 0 pruned, 0 failed of 2, about 2 s left"
    assert line == f"{title}; best 0.25 of trial 0"
    assert cell.writings == 3  # when it began, a second later, and at the end


def test_the_time_left_grows_less_while_nothing_ends(open_store, monkeypatch):
    text, now = io.StringIO(), [100.0]
    console = Console(file=text, force_terminal=True, width=200, height=50, color_system=None)
    monkeypatch.setattr("lightune.study.outputs.display.time.monotonic", lambda: now[0])
    store = open_store("x=1,2,3")
    with Display(console, store, name="study", ended=0) as display:
        number = store.ask(set()).number
        now[0] += 10.0
        store.tell(number, Outcome("completed", (0.25,), 10.0))
        display.trial_ended(store.record(number))
        assert "about 20 s left" in text.getvalue()
        now[0] += 5.0
        display.tick()
    assert "about 15 s left" in text.getvalue()
