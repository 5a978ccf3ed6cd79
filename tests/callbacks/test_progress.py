from io import StringIO

import pytest
import torch
from notebooks import notebook_console
from pytorch_lightning import LightningModule
from rich.console import Console

from lightune.callbacks import Progress
from lightune.data.loader import TensorLoader


@pytest.fixture
def paper():
    """A place that is no terminal."""
    return Console(file=StringIO(), width=200)


@pytest.fixture
def screen():
    """A place that is a terminal."""
    return Console(file=StringIO(), force_terminal=True, width=200)


def shown(console):
    return console.file.getvalue()


def test_without_a_terminal_it_says_plain_lines(fit_scripted, paper):
    fit_scripted(
        [0.25, 0.5, 0.375], callbacks=[Progress("val/accuracy", "max", paper, seconds_between_lines=-1.0)]
    )
    lines = shown(paper).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert [line.partition("val/accuracy")[2] for line in lines] == [
        " 0.25  best 0.25",
        " 0.5  best 0.5",
        " 0.375  best 0.5",
    ]
    assert "\x1b" not in shown(paper)


def test_lines_are_not_said_more_often_than_every_few_seconds(fit_scripted, paper):
    fit_scripted(
        [0.25, 0.5, 0.375], callbacks=[Progress("val/accuracy", "max", paper, seconds_between_lines=3600.0)]
    )
    # nor is the last one left out: it is where the training ended
    assert [line.split("  ")[0] for line in shown(paper).splitlines()] == ["epoch 1/3", "epoch 3/3"]


def test_with_a_terminal_it_draws_a_bar_that_ends_full(fit_scripted, screen):
    fit_scripted([0.25, 0.5, 0.375], callbacks=[Progress("val/accuracy", "max", screen)])
    last = [line for line in shown(screen).splitlines() if "epoch" in line][-1]
    assert "3/3" in last
    assert "val/accuracy 0.375  best 0.5" in last
    assert "━" in last


def test_the_terminal_has_its_cursor_back_at_the_end(fit_scripted, screen):
    fit_scripted([0.25], callbacks=[Progress("val/accuracy", "max", screen)])
    hidden, given_back = "\x1b[?25l", "\x1b[?25h"
    assert hidden in shown(screen)
    assert shown(screen).rfind(given_back) > shown(screen).rfind(hidden)


def test_a_training_that_breaks_gives_the_terminal_back(fit, screen):
    class Breaking(LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def training_step(self, batch, batch_idx):
            raise RuntimeError("broken")

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1.0)

    callback = Progress("val/accuracy", "max", screen)
    with pytest.raises(RuntimeError, match="broken"):
        fit(Breaking(), TensorLoader(torch.zeros(2, 1), torch.zeros(2), batch_size=1), callbacks=[callback])
    assert shown(screen).rfind("\x1b[?25h") > shown(screen).rfind("\x1b[?25l") > -1


def test_the_loss_and_the_metric_of_the_epoch_that_ended_are_shown(fit_scripted, paper):
    fit_scripted([0.25, 0.5], callbacks=[Progress("train/figure", "max", paper, seconds_between_lines=-1.0)])
    assert [line.partition("train/figure")[2] for line in shown(paper).splitlines()] == [
        " 0.25  best 0.25",
        " 0.5  best 0.5",
    ]


@pytest.fixture
def slow(monkeypatch):
    """Let each look at the clock find a second and a half more."""
    now = [0.0]

    def later():
        now[0] += 1.5
        return now[0]

    monkeypatch.setattr("lightune.callbacks.progress.time.monotonic", later)


def test_a_long_epoch_moves_the_bar(fit_scripted, screen, slow):
    moved = []
    callback = Progress("val/accuracy", "max", screen)
    begin = callback.on_train_start

    def watched(trainer, module):
        begin(trainer, module)
        update = callback._bar.update
        callback._bar.update = lambda task, **about: (moved.append(about.get("completed")), update(task, **about))

    callback.on_train_start = watched
    fit_scripted([0.25, 0.5], callbacks=[callback])
    assert moved == [0.5, 1.0, 1.0, 1.5, 2.0, 2.0, None]


def test_the_time_left_is_told_where_it_is_long(fit_scripted, paper, slow):
    fit_scripted([0.25] * 20, callbacks=[Progress("val/accuracy", "max", paper, seconds_between_lines=-1.0)])
    first, *_, last = shown(paper).splitlines()
    assert first.split("  ")[-1].startswith("about ")
    assert first.endswith(" left")
    assert "left" not in last


def test_a_long_epoch_has_a_line_where_nothing_was_said_for_a_minute(fit_scripted, paper, slow, monkeypatch):
    monkeypatch.setattr("lightune.callbacks.progress._LONG_EPOCH", 1.0)
    fit_scripted([0.25], callbacks=[Progress("val/accuracy", "max", paper, seconds_between_lines=-1.0)])
    assert shown(paper).splitlines()[0] == "epoch 1/1  50% of it"


@pytest.mark.parametrize(
    ("width", "figures"), [(60, "val/accuracy 0.5"), (80, "val/accuracy 0.5  best 0.5"), (120, "best 0.5")]
)
def test_the_bar_fits_on_its_terminal(fit_scripted, width, figures):
    narrow = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    fit_scripted([0.25, 0.5], callbacks=[Progress("val/accuracy", "max", narrow, label="fit 12/25")])
    last = [line for line in shown(narrow).splitlines() if "2/2" in line][-1].split("\x1b[2K")[-1].rstrip()
    assert last.startswith("fit 12/25  epoch 2/2 ")
    assert last.endswith(figures)
    assert len(last) <= width


def test_a_notebook_has_one_line(fit_scripted, cell):
    fit_scripted([0.25, 0.5, 0.375], callbacks=[Progress("val/accuracy", "max", notebook_console())])
    (line,) = cell.texts
    assert line.startswith("epoch 3/3  ")
    assert line.endswith("val/accuracy 0.375  best 0.5")
