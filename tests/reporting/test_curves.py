import pytest

from lightune.reporting.curves import read_curves, write_curves


def test_curves_read_back_with_what_was_not_measured(tmp_path):
    curves = {"train/loss": [0.5, 1 / 3], "step": [9, 19], "val/loss": [None, float("inf")]}
    write_curves(tmp_path, curves, epochs=2)
    assert (tmp_path / "curves.csv").read_text().splitlines()[0] == "epoch,step,train/loss,val/loss"
    read = read_curves(tmp_path)
    assert read == {
        "epoch": [0, 1],
        "step": [9, 19],
        "train/loss": [0.5, pytest.approx(1 / 3)],
        "val/loss": [None, float("inf")],
    }


def test_of_a_training_that_an_earlier_version_began_the_last_epochs_are_there(tmp_path):
    write_curves(tmp_path, {"step": [29], "train/loss": [0.1]}, epochs=3)
    assert read_curves(tmp_path)["epoch"] == [2]


def test_without_an_epoch_there_is_no_file(tmp_path):
    write_curves(tmp_path, {}, epochs=0)
    assert list(tmp_path.iterdir()) == []
