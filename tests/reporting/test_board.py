"""A logger that is told of a run's beginning and end may leave out what it has no place for."""

import numpy as np

from lightune.reporting.board import Board, Session


class Silent(Board):
    """A board that shows curves alone."""

    name, version = "silent", ""

    def log_metrics(self, metrics, step=None):
        raise AssertionError("no curve was logged")

    def log_hyperparams(self, params, *rest, **more):
        raise AssertionError("a session has them")


def test_a_session_says_what_it_is_and_leaves_out_what_it_was_not_told():
    session = Session({"lr": 0.1}, "trial 3, s")
    assert (session.hparams, session.row) == ({"lr": 0.1}, "trial 3, s")
    assert (dict(session.parameters), session.group, session.note, session.tags) == ({}, "", "", ())
    assert Session({}, "a").parameters is not Session({}, "b").parameters


def test_what_a_board_has_no_place_for_it_leaves_out():
    board = Silent()
    board.start_session(Session({"lr": 0.1}, "run"))
    board.log_picture("test/confusion", np.zeros((2, 2, 3), dtype=np.uint8), 1)
    board.end_session("completed", {"objective": 0.9}, 1)
    board.close()
    assert board.purge_step is None
