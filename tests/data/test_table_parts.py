"""The files of a table are found, and read as one, in memory and from another file alike."""

import gzip

import numpy as np
import pytest

from lightune.data import table_parts
from lightune.data.table_parts import (
    files_of_rows,
    joined,
    lies_in_file,
    only,
    parts_of_files,
    read_parts,
    row_count,
    table_files_at,
)
from lightune.errors import ConfigError


def write(folder, **parts):
    folder.mkdir(exist_ok=True)
    for name, rows in parts.items():
        (folder / f"{name}.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    return folder


@pytest.fixture(params=["memory", "file"])
def read(request, tmp_path):
    """Read the files of a folder, in memory or from another file."""

    def call(folder):
        scratch = None if request.param == "memory" else tmp_path
        return read_parts(table_files_at(folder), delimiter="auto", encoding="utf-8", scratch=scratch)

    return call


def test_files_stand_below_each_other_with_their_parts(read, tmp_path):
    tables = read(write(tmp_path / "t", training=["1,2"], test=["3,4", "5,6"]))
    table = joined(tables)
    assert (list(tables), row_count(table)) == (["train", "test"], 3)
    assert list(table["b"]) == ["2", "4", "6"]
    assert parts_of_files(tables).tolist() == [0, 2, 2]
    assert list(only(table, np.array([0, 2]))["a"]) == ["1", "5"]


def test_a_file_alone_has_no_parts(read, tmp_path):
    tables = read(write(tmp_path / "t", one=["1,2"]) / "one.csv")
    assert (list(tables), parts_of_files(tables), list(joined(tables)["a"])) == ([""], None, ["1"])


def test_a_file_that_is_no_table_is_refused(read, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.path.*has a header only"):
        read(write(tmp_path / "t", one=[]) / "one.csv")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"train": ["1,2"]}, "must be a file, or a folder with train.csv and test.csv"),
        (
            {"train": ["1,2"], "training": ["1,2"], "test": ["1,2"]},
            "more than one train file: train.csv, training.csv",
        ),
    ],
)
def test_a_folder_has_one_file_a_part(tmp_path, parts, said):
    with pytest.raises(ConfigError, match=said):
        table_files_at(write(tmp_path / "t", **parts))
    with pytest.raises(ConfigError, match="there is no "):
        table_files_at(tmp_path / "nowhere")


def test_rows_are_of_the_file_that_they_stand_in():
    assert files_of_rows(np.array([0, 3, 1, 2]), [("one", 2), ("other", 2)]) == ["one", "other", "one", "other"]
    assert files_of_rows(np.array([0, 1]), [("one", 2)]) == []


def test_texts_that_memory_does_not_hold_lie_in_a_file(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(table_parts, "place", lambda wanted, size, device: (sizes.append(size) or "stream", ""))
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    files = [tmp_path / "a.csv", tmp_path / "a.csv.gz"]
    assert lies_in_file(files, "auto")
    assert sizes == [10 * (8 + 4 * files[1].stat().st_size)]
