"""The row of a trial that could not write it, read back as TensorBoard reads it."""

import pytest
from curves import hparams_records
from omegaconf import OmegaConf
from tensorboard.plugins.hparams import api_pb2, metadata

from lightune.reporting.tensorboard import TensorBoard
from lightune.study.outputs.hparams import complete_row, write_experiment


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "trials" / "3"
    folder.mkdir(parents=True)
    return folder


def test_a_trial_that_failed_before_it_began_gets_a_row(trial):
    complete_row(trial, {"optimizer.lr": 0.5, "model": "mlp"}, "trials/3")
    row = hparams_records(trial)
    start = row[metadata.SESSION_START_INFO_TAG].session_start_info
    assert start.group_name == "trials/3"
    assert start.hparams["optimizer.lr"].number_value == 0.5
    assert row[metadata.SESSION_END_INFO_TAG].session_end_info.status == api_pb2.STATUS_FAILURE


def test_a_trial_that_was_killed_gets_an_end_only(trial):
    board = TensorBoard(str(trial))
    board.start_session({"seed": 1}, row="trials/3")
    board.flush()  # and there its process died
    complete_row(trial, {"seed": 2}, "trials/3")
    assert hparams_records(trial)[metadata.SESSION_END_INFO_TAG].session_end_info.status == api_pb2.STATUS_FAILURE
    board.close()
    starts = [metadata.SESSION_START_INFO_TAG.encode() in file.read_bytes() for file in trial.iterdir()]
    assert sorted(starts) == [False, True]


def test_a_row_with_an_end_is_left_alone(trial):
    board = TensorBoard(str(trial))
    board.start_session({"seed": 1}, row="trials/3")
    board.end_session("failed", {}, 0)
    board.close()
    before = [file.read_bytes() for file in trial.iterdir()]
    complete_row(trial, {"seed": 1}, "trials/3")
    assert [file.read_bytes() for file in trial.iterdir()] == before


@pytest.mark.parametrize(
    ("sweep", "values"),
    [
        ("x=8,16", [8.0, 16.0]),
        ("x=1e-3,1e-2", [0.001, 0.01]),
        ("x=range(1,3)", [1.0, 2.0]),
        ("x=null,1.0", ["null", "1.0"]),
        ("x=8,[8,16]", ["8", "[8,16]"]),
        ("x=16,full", ["16", "full"]),
        ("x=nan,1", ["nan", "1"]),
        ("x=true,false", ["True", "False"]),
    ],
)
def test_what_the_page_offers_to_untick_is_what_the_rows_have(tmp_path, open_store, sweep, values):
    """The page compares them as they are: a text is none of a column's numbers, nor the other way round."""
    store = open_store(sweep)
    board = OmegaConf.create({"logger": {"board": {"_target_": "lightune.reporting.tensorboard.TensorBoard"}}})
    write_experiment(tmp_path, board, store.space, store.settings.objectives)
    (column,) = hparams_records(tmp_path / "_sweep")[metadata.EXPERIMENT_TAG].experiment.hparam_infos
    offered = [value.string_value or value.number_value for value in column.domain_discrete.values]
    rows = [trial.hparams()["x"] for trial in iter(lambda: store.ask(range(len(values))), None)]
    assert offered == rows == values
    kind = api_pb2.DATA_TYPE_FLOAT64 if isinstance(values[0], float) else api_pb2.DATA_TYPE_STRING
    assert column.type == kind
