import threading

import pytest
import torch
from curves import events, hparams_records
from tensorboard.plugins.hparams import api_pb2, metadata

from lightune.reporting import tensorboard
from lightune.reporting.board import Session
from lightune.reporting.tensorboard import TensorBoard, hparams_of


@pytest.fixture
def board(tmp_path):
    logger = TensorBoard(str(tmp_path))
    yield logger
    logger.close()


def curve(folder, tag):
    return [(event.step, pytest.approx(event.value)) for event in events(folder).Scalars(tag)]


def test_metrics_become_curves_over_steps(board, tmp_path):
    board.log_metrics({"train/loss": 1.5, "epoch": 0}, step=10)
    board.log_metrics({"train/loss": 0.5, "epoch": 1}, step=20)
    board.finalize("success")
    assert curve(tmp_path, "train/loss") == [(10, 1.5), (20, 0.5)]


def test_many_boards_need_no_threads(tmp_path):
    before = threading.active_count()
    boards = [TensorBoard(str(tmp_path / str(number))) for number in range(3)]
    for number, one in enumerate(boards):
        one.log_metrics({"train/loss": number, "val/loss": number + 1}, step=7)
    assert threading.active_count() == before
    for one in boards:
        one.close()
    assert curve(tmp_path / "2", "train/loss") == [(7, 2.0)]
    assert curve(tmp_path / "2", "val/loss") == [(7, 3.0)]


def test_what_was_said_is_on_disk_ten_seconds_later(board, tmp_path, monkeypatch):
    board.log_metrics({"train/loss": 1.5}, step=1)
    assert not events(tmp_path).Tags()["scalars"]
    monkeypatch.setattr(tensorboard, "_FLUSH_SECONDS", 0)
    board.log_metrics({"train/loss": 0.5}, step=2)
    assert curve(tmp_path, "train/loss") == [(1, 1.5), (2, 0.5)]


def test_a_training_leaves_no_curve_of_epochs_and_no_placeholder(board, fit_scripted, tmp_path):
    fit_scripted([0.25, 0.5], logger=board, log_every_n_steps=1)
    assert set(events(tmp_path).Tags()["scalars"]) == {"val/accuracy", "train/figure"}
    assert [value for _, value in curve(tmp_path, "val/accuracy")] == [0.25, 0.5]


def test_what_a_module_saved_of_its_arguments_is_not_shown(board, tmp_path):
    board.log_hyperparams({"model": torch.nn.Linear(1, 1), "lr": 0.1})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_before_there_is_something_to_say(board, tmp_path):
    board.finalize("success")
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_a_session_starts_with_its_hyper_parameters(board, tmp_path):
    chosen = {"optimizer.lr": 0.1, "model": "MLP", "model.batch_norm": True, "seed": 3}
    board.start_session(Session(chosen, "runs/a"))
    board.close()
    start = hparams_records(tmp_path)[metadata.SESSION_START_INFO_TAG].session_start_info
    shown = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}
    assert shown == {"optimizer.lr": 0.1, "model": "MLP", "model.batch_norm": True, "seed": 3.0}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("completed", api_pb2.STATUS_SUCCESS),
        ("early_stopped", api_pb2.STATUS_SUCCESS),
        ("pruned", api_pb2.STATUS_SUCCESS),
        ("failed", api_pb2.STATUS_FAILURE),
        ("interrupted", api_pb2.STATUS_UNKNOWN),
    ],
)
def test_a_session_ends_with_its_true_status_and_its_final_figures(board, tmp_path, status, shown):
    board.start_session(Session({"seed": 0}, "runs/a"))
    board.end_session(status, {"objective": 0.75}, step=40)
    end = hparams_records(tmp_path)[metadata.SESSION_END_INFO_TAG].session_end_info
    assert end.status == shown
    assert end.end_time_secs > 0
    assert curve(tmp_path, "objective") == [(40, 0.75)]


def test_two_runs_are_two_rows(tmp_path):
    groups = set()
    for name in ("one", "two"):
        board = TensorBoard(str(tmp_path / name))
        board.start_session(Session({"seed": 0}, f"runs/{name}"))
        board.close()
        start = hparams_records(tmp_path / name)[metadata.SESSION_START_INFO_TAG].session_start_info
        groups.add(start.group_name)
    assert groups == {"runs/one", "runs/two"}


def test_what_follows_the_training_goes_into_the_same_file(board, tmp_path):
    board.log_metrics({"train/loss": 1.0}, step=1)
    board.finalize("success")
    board.log_metrics({"test/loss": 2.0}, step=2)
    board.close()
    assert len(list(tmp_path.iterdir())) == 1
    assert curve(tmp_path, "test/loss") == [(2, 2.0)]


def test_the_run_folder_has_no_folders_of_versions(board, tmp_path):
    assert (board.save_dir, board.log_dir, board.name, board.version) == (str(tmp_path), str(tmp_path), "", "")


def test_hyper_parameters_are_flattened_to_dotted_keys():
    tree = {
        "model": {"_target_": "lightune.models.MLP", "units": [8, 4], "batch_norm": False, "dropout": None},
        "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1, "deep": {"beta": 0.9}},
        "seed": 3,
        "output_root": "outputs",
    }
    options = {"optimizer": "adamw", "absent": "none", "model": None, "logger": "csv"}
    assert hparams_of(tree, ("model", "optimizer", "seed", "absent"), options) == {
        "model": "MLP",
        "model.units": "[8,4]",
        "model.batch_norm": "False",
        "absent": "none",
        "optimizer": "adamw",
        "optimizer.lr": 0.1,
        "optimizer.deep.beta": 0.9,
        "seed": 3,
    }
