"""A study or a run on the terminal."""

import io

import pytest
from reported_studies import write_by_rate, write_curve, write_result

from lightune.report.analysis import Analysis
from lightune.report.findings import Importance, Luck
from lightune.report.remarks import Remarks
from lightune.report.run_data import read_run
from lightune.report.study_data import read_study
from lightune.report.text import print_run, print_study, print_trials
from lightune.runtime.terminal import Terminal

KNOWN = Analysis(
    30,
    ((Importance("optimizer.lr", 0.8, 0.2), Importance("model.units", 0.2, 0.3)),),
    Luck(0.95, 0.93, 0.9, 0.96, 24, 270),
)


def printed(show, *, width=None):
    """Return the lines that something prints: on a terminal of some columns, or piped."""
    file = io.StringIO()
    settings = {"width": width, "force_terminal": True, "color_system": None} if width else {}
    show(Terminal(file=file, **settings))
    return file.getvalue().splitlines()


@pytest.fixture
def study(tmp_path):
    """Read a planted study with failures."""
    states = ["completed", "pruned", "early_stopped", "failed"]
    return read_study(write_by_rate(tmp_path / "s", 30, state=lambda number: states[number % 4]))


def shown(study, **settings):
    return printed(lambda console: print_study(study, KNOWN, study.ranked()[:5], console, left_out=3), **settings)


def test_all_that_one_wants_to_know_is_there(study):
    text = "\n".join(shown(study))
    for words in (
        "30 trials: 8 completed, 7 early stopped, 8 pruned, 7 failed", "val/accuracy (higher is better)",
        "expect 0.9300 on new samples", "lr 80%; not told from chance: units", "next: python train.py -m ",
        "and 3 trials more: --top 8 shows them", "7 trials failed: ValueError: too large (trial 3; see ",
    ):  # fmt: skip
        assert words in text


def test_sixty_columns_hold_every_line_but_what_is_to_be_copied(study):
    lines = shown(study, width=60)
    long = [line for line in lines if len(line) > 60]
    assert all(line.startswith(("next: ", "7 trials failed", "      (", "and ")) for line in long), long
    head = next(line for line in lines if line.startswith("trial  "))
    assert "val/accuracy" in head
    assert "lr" in head.split()  # which mattered
    assert any(line.startswith("not shown on 60 columns: ") for line in lines)


def test_what_is_piped_has_every_column(study):
    lines = shown(study)
    (head,) = (line for line in lines if line.startswith("trial  "))
    assert head.split() == [
        "trial",
        "val/accuracy",
        "epochs",
        "seconds",
        "state",
        "lr",
        "dropout",
        "units",
        "optimizer",
    ]
    assert not any("…" in line for line in lines)


def test_no_text_of_others_is_obeyed(study, tmp_path):
    folder = write_by_rate(
        tmp_path / "t", 3, state=lambda number: "failed", error="\x1b[31mred [bold]markup[/bold]"
    )
    text = "\n".join(printed(lambda console: print_study(read_study(folder), KNOWN, [], console), width=80))
    assert "\x1b[31m" not in text
    assert "\\x1b[31mred [bold]markup[/bold]" in text


def test_a_run_is_shown_with_its_curve_and_how_to_go_on(tmp_path):
    folder = write_result(tmp_path / "r", 0.9, status="interrupted")
    write_curve(folder, [0.5, 0.7, 0.9])
    remarks = Remarks(note="hello", tags=("a", "b"))
    lines = printed(
        lambda console: print_run(read_run(folder), remarks, console, again="python train.py resume=r")
    )
    text = "\n".join(lines)
    for words in ("hello", "a, b", "interrupted", "▁▄█", "0.5000 to 0.9000", "at epoch 4 of 5", "0.5000"):
        assert words in text
    assert lines[-1] == "go on with: python train.py resume=r"


def test_trials_without_figures_have_a_table_too(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 2, state=lambda number: "interrupted", files=False))
    lines = printed(lambda console: print_trials(study, study.trials, console))
    assert "interrupted" in lines[1]
