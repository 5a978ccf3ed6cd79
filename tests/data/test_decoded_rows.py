import tempfile
from functools import partial

import numpy as np
import pytest
import torch

from lightune.data.decoded_rows import FileRows, MemoryRows, existing, gathered

PARTS = [torch.arange(6, dtype=torch.uint8).reshape(3, 2), torch.full((1, 2), 9, dtype=torch.uint8)]


def filled(rows, parts=PARTS):
    for part in parts:
        rows.add(part)
    return rows


def in_file(folder, count=4, shape=(2,), dtype=torch.uint8):
    return FileRows(folder / "not" / "there", count, shape, dtype)


@pytest.mark.parametrize("make", [in_file, lambda folder: MemoryRows(4, (2,), torch.uint8)])
def test_what_was_added_comes_back_in_its_order(make, tmp_path):
    found = filled(make(tmp_path)).tensor()
    assert found.dtype == torch.uint8
    assert torch.equal(found, torch.cat(PARTS))
    assert list(tmp_path.iterdir()) == []  # neither a folder nor a file that has a name


@pytest.mark.parametrize("make", [in_file, lambda folder: MemoryRows(4, (2,), torch.uint8)])
def test_fewer_samples_than_there_was_room_for_are_all_that_come_back(make, tmp_path):
    assert filled(make(tmp_path), PARTS[:1]).tensor().tolist() == [[0, 1], [2, 3], [4, 5]]
    assert make(tmp_path).tensor().shape == (0, 2)


def test_numbers_of_four_bytes_lie_in_a_file_as_well(tmp_path):
    part = torch.randn(4, 3, 5)
    found = filled(in_file(tmp_path, 4, (3, 5), torch.float32), [part]).tensor()
    assert torch.equal(found, part)
    assert found.data_ptr() % 16 == 0


def test_a_change_of_the_samples_stays_in_memory(tmp_path):
    rows = filled(in_file(tmp_path))
    rows.tensor()[0] = 7
    assert torch.equal(rows.tensor(), torch.cat(PARTS))


def test_a_file_that_is_given_a_name_is_numpys_and_replaces_what_was_there(tmp_path):
    target = tmp_path / "rows.npy"
    target.write_text("before")
    rows = filled(in_file(tmp_path))
    assert rows.name(target)
    assert np.load(target).tolist() == torch.cat(PARTS).tolist()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.npy"]
    assert rows.tensor().tolist() == torch.cat(PARTS).tolist()


def test_a_file_that_lacks_samples_or_cannot_be_linked_is_given_no_name(tmp_path, monkeypatch):
    assert not filled(in_file(tmp_path), PARTS[:1]).name(tmp_path / "rows.npy")
    unnamed = partial(tempfile.TemporaryFile, dir=tmp_path)  # of which nobody can make a file with a name
    monkeypatch.setattr("lightune.data.decoded_rows.unnamed", lambda folder: unnamed())
    rows = filled(in_file(tmp_path))
    assert rows.tensor().tolist() == torch.cat(PARTS).tolist()
    assert not rows.name(tmp_path / "rows.npy")
    assert list(tmp_path.iterdir()) == []


def test_some_samples_are_gathered_from_a_file_into_another(tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.data.decoded_rows._AT_ONCE", 2)
    whole = filled(in_file(tmp_path)).tensor()
    some = gathered(whole, torch.tensor([0, 3]), in_file(tmp_path, 2))
    assert some.tolist() == [[0, 1], [9, 9]]


def test_of_folders_that_are_not_there_the_next_above_is_taken(tmp_path):
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path) == tmp_path
