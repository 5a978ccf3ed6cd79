"""When the trials of a study ran."""

from datetime import datetime, timedelta

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from lightune.report.times import Span, journal_spans, spans_of

BEGAN = datetime(2026, 1, 1)


def ran(number, start, end):
    trial = create_trial(value=0.5)
    trial.number = number
    trial.datetime_start = BEGAN + timedelta(seconds=start)
    trial.datetime_complete = None if end is None else BEGAN + timedelta(seconds=end)
    return trial


def test_trials_that_run_at_once_have_a_place_each():
    spans = spans_of([ran(0, 0, 10), ran(1, 1, 4), ran(2, 4, 8), ran(3, 9, 12), ran(4, 11, None)])
    assert spans == {0: [Span(0, 0, 10)], 1: [Span(1, 1, 4)], 2: [Span(1, 4, 8)], 3: [Span(1, 9, 12)]}


def test_a_trial_whose_study_was_stopped_ran_in_parts():
    first, second = ran(0, 0, 100), ran(1, 2, 90)
    for trial, pauses in ((first, [(10, 80), (85, 95)]), (second, [(9, 89.5)])):
        times = [[(BEGAN + timedelta(seconds=each)).timestamp() for each in pause] for pause in pauses]
        trial.set_user_attr("pauses", times)
    spans = spans_of([first, second])
    assert spans[0] == [Span(0, 0, 10), Span(0, 80, 85), Span(0, 95, 100)]
    assert spans[1] == [Span(1, 2, 9), Span(0, 89.5, 90)]


def test_a_journal_tells_when_its_trials_ran(tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    study = optuna.create_study(storage=storage)
    study.tell(study.ask(), 0.5)
    assert list(journal_spans(tmp_path)) == [0]


def test_what_is_no_journal_tells_nothing(tmp_path):
    assert journal_spans(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "journal.log").write_text("not json\n{}\n")
    assert journal_spans(tmp_path) == {}
