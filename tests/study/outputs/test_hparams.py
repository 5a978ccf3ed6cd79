"""The row of a trial that could not write it, read back as TensorBoard reads it."""

import pytest
from curves import hparams_records
from omegaconf import OmegaConf
from tensorboard.plugins.hparams import api_pb2, metadata

from lightune.reporting.board import Session
from lightune.reporting.tensorboard import TensorBoard
from lightune.study.outputs.hparams import complete_row, has_board


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "trials" / "3"
    folder.mkdir(parents=True)
    return folder


def test_a_trial_that_failed_before_it_began_gets_a_row(trial):
    complete_row(trial, {"optimizer.lr": 0.5, "model": "mlp"}, "trial 3, s")
    row = hparams_records(trial)
    start = row[metadata.SESSION_START_INFO_TAG].session_start_info
    assert start.group_name == "trial 3, s"
    assert start.hparams["optimizer.lr"].number_value == 0.5
    assert row[metadata.SESSION_END_INFO_TAG].session_end_info.status == api_pb2.STATUS_FAILURE


def test_a_trial_that_was_killed_gets_an_end_only(trial):
    board = TensorBoard(str(trial))
    board.start_session(Session({"seed": 1}, "trial 3, s"))
    board.flush()  # and there its process died
    complete_row(trial, {"seed": 2}, "trial 3, s")
    assert hparams_records(trial)[metadata.SESSION_END_INFO_TAG].session_end_info.status == api_pb2.STATUS_FAILURE
    board.close()
    starts = [metadata.SESSION_START_INFO_TAG.encode() in file.read_bytes() for file in trial.iterdir()]
    assert sorted(starts) == [False, True]


def test_a_row_with_an_end_is_left_alone(trial):
    board = TensorBoard(str(trial))
    board.start_session(Session({"seed": 1}, "trial 3, s"))
    board.end_session("failed", {}, 0)
    board.close()
    before = [file.read_bytes() for file in trial.iterdir()]
    complete_row(trial, {"seed": 1}, "trial 3, s")
    assert [file.read_bytes() for file in trial.iterdir()] == before


@pytest.mark.parametrize(
    ("logger", "expected"),
    [
        ({"board": {"_target_": "lightune.reporting.tensorboard.TensorBoard", "save_dir": "${nothing}"}}, True),
        ({"table": {"_target_": "lightune.reporting.csv_logger.CSV"}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_study_has_rows_if_its_trials_log_to_tensorboard(logger, expected):
    assert has_board(OmegaConf.create({"logger": logger})) is expected
