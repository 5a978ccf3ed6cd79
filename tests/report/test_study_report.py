"""The page of a study, kept while it runs, and the last words of one that has ended."""

import io
import itertools
from types import SimpleNamespace

import pytest
from page_reader import Page
from reported_studies import write_by_rate

from lightune.report import study_report
from lightune.report.study_data import read_study
from lightune.report.study_report import StudyReport, best_difference
from lightune.runtime.terminal import Terminal
from lightune.study.observer import Ending


@pytest.fixture
def clock(monkeypatch):
    """Let time pass as a test says."""
    now = SimpleNamespace(time=1000.0, monotonic=lambda: now.time)
    monkeypatch.setattr(study_report, "time", now)
    return now


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Watch a planted study, as its driver would have it watched; `lines` is what was said."""
    lines, screen = [], io.StringIO()
    monkeypatch.setattr(study_report, "Terminal", lambda: Terminal(file=screen, width=500))

    def watch(**about):
        folder = write_by_rate(tmp_path / "s", 30, **about)
        study = SimpleNamespace(folder=folder, print_line=lines.append)
        store = SimpleNamespace(study=SimpleNamespace(get_trials=lambda deepcopy: []))
        return StudyReport(study, store)

    watch.folder, watch.lines, watch.screen = tmp_path / "s", lines, screen
    return watch


def test_a_page_is_written_at_most_every_ten_seconds_and_only_with_news(watched, clock):
    report = watched(n_trials=40)
    page = watched.folder / "report.html"
    clock.time += 9
    report.trial_ended(None)
    report.tick()
    assert not page.exists()
    clock.time += 2
    report.tick()
    assert '<span class="state running">' in page.read_text()
    page.unlink()
    clock.time += 100
    report.tick()
    assert not page.exists()


def test_a_page_that_takes_long_is_written_the_more_seldom(watched, clock, monkeypatch):
    report, written = watched(n_trials=40), []

    def slow(*_, **__):
        written.append(clock.time)
        clock.time += 3

    monkeypatch.setattr(study_report, "write_report", slow)
    for _ in range(600):
        report.trial_ended(None)
        clock.time += 1
        report.tick()
    assert len(written) == 4  # of 3 s each, in 612 s: less than 2 %
    assert min(b - a for a, b in itertools.pairwise(written)) >= 150


def test_the_end_is_written_and_told(watched):
    report = watched()
    report.study_ended(Ending(trials=[], best=[]))
    report.conclude()
    assert "finished" in Page((watched.folder / "report.html").read_text()).text
    assert (watched.folder / "analysis.json").is_file()
    said = watched.screen.getvalue()
    for words in ("best  ", "mattered  ", "next: python train.py -m"):
        assert words in said
    assert watched.lines[-1].startswith("look at it: ")


def test_a_page_that_cannot_be_written_does_not_end_a_study(watched, monkeypatch):
    report = watched()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(study_report, "write_whole", full)
    report.study_ended(Ending(trials=[], best=[]))
    report.study_ended(Ending(trials=[], best=[]))
    assert watched.lines == ["report.html cannot be written: [Errno 28] No space left on device"]


def test_importances_are_computed_again_when_a_tenth_more_trials_are_there(watched, clock, monkeypatch):
    computed = []
    real = study_report.analyse
    monkeypatch.setattr(study_report, "analyse", lambda study: computed.append(len(study.trials)) or real(study))
    report = watched(n_trials=90)
    table = watched.folder / "trials.csv"
    lines = table.read_text().splitlines(keepends=True)
    for count in (20, 21, 22, 23, 30):
        table.write_text("".join(lines[: count + 1]))
        clock.time += 1000
        report.trial_ended(None)
        report.tick()
    assert computed == [20, 22, 30]


def test_the_best_configuration_is_compared_with_the_default(watched):
    watched()
    (watched.folder / "best.yaml").write_text("optimizer:\n  lr: 0.5\n")
    differing = {key: value for key, _, value in best_difference(read_study(watched.folder))}
    assert differing["optimizer.lr"] == "0.5"
    (watched.folder / "best.yaml").unlink()
    assert best_difference(read_study(watched.folder)) == []
