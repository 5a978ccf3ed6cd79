"""What certainty is fitted on; the command that asks for it is tried in `tests/cli/test_predict.py`."""

import numpy as np
import pytest
import torch

from lightune.calibration import REFERENCES_FILE, reference_features, validated
from lightune.errors import ConfigError
from lightune.prediction import load


@pytest.fixture
def networks(class_run):
    return load(class_run.folder, device="cpu").networks


def test_what_the_run_left_is_what_its_data_give(class_run, networks):
    ((left, targets),) = validated(class_run.folder, networks, checkpoint="best", asked="--sets")
    ((again, same),) = validated(class_run.folder, networks, checkpoint="another.ckpt", asked="--sets")
    assert torch.allclose(left, again, atol=1e-6)
    assert torch.equal(targets, same)


def test_few_references_are_kept_of_many_samples(class_run, networks, monkeypatch):
    monkeypatch.setattr("lightune.calibration._MOST_REFERENCES", 5)
    (features,) = reference_features(class_run.folder, networks, checkpoint="last", asked="--reject")
    assert features.shape == (5, 8)
    assert not (class_run.folder / REFERENCES_FILE).exists()  # those of the best checkpoint alone are


def test_references_that_are_damaged_are_made_again(class_run, networks):
    file = class_run.folder / REFERENCES_FILE
    try:
        file.write_bytes(b"PK no archive")
        (first,) = reference_features(class_run.folder, networks, checkpoint="best", asked="--reject")
        with np.load(file) as kept:
            assert np.array_equal(kept["arr_0"], first.numpy())
    finally:
        file.unlink()


def test_data_that_have_changed_are_none(class_run, networks, tmp_path):
    before = class_run.table.read_text()
    try:
        class_run.table.write_text(before + "33,170,Rome,old,1\n")
        with pytest.raises(ConfigError, match=r"its data cannot be read here \(data: are not what the run was"):
            validated(class_run.folder, networks, checkpoint="last", asked="--sets")
    finally:
        class_run.table.write_text(before)
