import numpy as np

from lightune.reporting.board import Board, Session


class Silent(Board):
    """A board that shows curves alone."""

    name = version = ""

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params, *args, **kwargs):
        pass


def test_a_board_need_not_show_more_than_curves(tmp_path):
    board = Silent()
    board.start_session(Session({"seed": 0}, "runs/a"))
    board.log_picture("test/confusion", np.zeros((1, 1, 3), np.uint8), 0)
    board.end_session("completed", {"objective": 1.0}, 3)
    board.close()
    assert board.purge_step is None


def test_a_session_of_a_row_alone_belongs_to_no_group():
    session = Session({"seed": 0}, "runs/a")
    assert (session.parameters, session.group, session.note, session.tags) == ({}, "", "", ())
