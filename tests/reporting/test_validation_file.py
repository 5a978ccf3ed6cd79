"""`predictions_val.npz` as arrays."""

import subprocess
import sys

import numpy as np
import pytest
from reported_studies import write_right

from lightune.reporting.validation_file import fit_folders, read_arrays


def test_arrays_are_read_as_they_were_written(tmp_path):
    write_right(tmp_path, [True, False, True], rows=[7, 3, 5])
    arrays = read_arrays(tmp_path)
    assert arrays.rows.tolist() == [7, 3, 5]
    assert (arrays.predicted.argmax(axis=1) == arrays.targets).tolist() == [True, False, True]
    assert arrays.of_classes


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_damaged_file_is_said_to_be_one(tmp_path, content):
    (tmp_path / "predictions_val.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"predictions_val\.npz cannot be read"):
        read_arrays(tmp_path)


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    np.savez(tmp_path / "predictions_val.npz", rows=np.arange(3), predicted=np.ones((2, 2)), targets=np.arange(3))
    with pytest.raises(ValueError, match="do not belong together"):
        read_arrays(tmp_path)


def test_fits_are_in_the_order_of_their_numbers(tmp_path):
    assert list(fit_folders(tmp_path)) == [(0, tmp_path)]
    for name in ("10", "9", "notes"):
        (tmp_path / "fits" / name).mkdir(parents=True)
    assert [number for number, _ in fit_folders(tmp_path)] == [9, 10]


def test_reading_takes_no_torch():
    code = "import sys, lightune.reporting.validation_file; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
