import json

import pytest

from lightune.paths import row_name
from lightune.reporting.board import Session
from lightune.reporting.tracker import Tracker


class Notes(Tracker):
    """A service that keeps what it is told; its package is one that is always there."""

    package = "json"

    def __init__(self, save_dir, told, fails_at=None):
        super().__init__(save_dir)
        self.told, self.fails_at = told, fails_at

    def _open(self, kept, above):
        self._tell("open", self._title(), dict(kept), dict(above))
        self._keep({"id": self._title()})

    def _send(self, values, step):
        self._tell("send", values, step)

    def _end(self, status):
        self._tell("end", status)

    def _tell(self, *words):
        if words[0] == self.fails_at:
            raise ConnectionError("nobody there")
        self.told.append(words)


@pytest.fixture
def told():
    return []


def test_a_run_is_opened_told_of_and_ended(tmp_path, told):
    tracker = Notes(str(tmp_path / "a"), told)
    tracker.start_session(Session({}, row_name("out/studies/s/trials/3", "out")))
    tracker.log_metrics({"val/loss": 1, "epoch": 0}, 4)
    tracker.log_metrics({"epoch": 0}, 4)
    tracker.end_session("completed", {"objective": 0.5}, 9)
    tracker.close()
    assert told == [
        ("open", "trial 3", {}, {}),
        ("send", {"val/loss": 1.0}, 4),
        ("send", {"objective": 0.5}, 9),
        ("end", "completed"),
    ]


def test_a_run_that_goes_on_goes_on_there(tmp_path, told):
    for _ in range(2):
        tracker = Notes(str(tmp_path), told)
        tracker.start_session(Session({}, row_name("out/runs/run/now", "out")))
        tracker.end_session("interrupted", {}, 0)
    assert [words for words in told if words[0] == "open"] == [
        ("open", "now", {}, {}),
        ("open", "now", {"id": "now"}, {}),
    ]


def test_a_fit_is_told_which_run_it_belongs_to_and_is_ended_when_it_is_closed(tmp_path, told):
    Notes(str(tmp_path), told).start_session(Session({}, "runs/run/now"))
    fit = Notes(str(tmp_path / "folds" / "0"), told)
    fit.log_metrics({"val/loss": 1.0}, 0)
    fit.close()
    assert told[1:] == [("open", "0", {}, {"id": "now"}), ("send", {"val/loss": 1.0}, 0), ("end", "completed")]


def test_nothing_is_opened_where_nothing_is_said(tmp_path, told):
    tracker = Notes(str(tmp_path / "a"), told)
    tracker.finalize("success")
    tracker.close()
    assert (told, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("where", ["open", "send", "end"])
def test_a_service_that_fails_is_said_once_and_costs_nothing_else(tmp_path, told, caplog, where):
    tracker = Notes(str(tmp_path), told, fails_at=where)
    tracker.start_session(Session({}, "runs/run/now"))
    for step in range(3):
        tracker.log_metrics({"val/loss": 1.0}, step)
    tracker.end_session("completed", {}, 9)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["json: ConnectionError: nobody there; the run goes on without it"]
    assert len([words for words in told if words[0] == "send"]) == {"open": 0, "send": 0, "end": 3}[where]


def test_damage_to_what_is_kept_opens_a_new_run(tmp_path, told):
    (tmp_path / "json.json").write_text("[1")
    Notes(str(tmp_path), told).start_session(Session({}, "runs/run/now"))
    assert told == [("open", "now", {}, {})]
    assert json.loads((tmp_path / "json.json").read_text()) == {"id": "now"}


def test_a_package_that_is_not_there_is_told_with_how_to_install_it(tmp_path, monkeypatch, told):
    monkeypatch.setattr(Notes, "package", "no_such_package")
    with pytest.raises(ValueError, match=r"pip install 'lightune\[no_such_package\]'"):
        Notes(str(tmp_path), told)
