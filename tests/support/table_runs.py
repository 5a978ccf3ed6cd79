"""Runs on small tables of one's own, trained once for all tests that predict with them."""

from pathlib import Path
from typing import NamedTuple

import pytest
from media import write_table


class TableRun(NamedTuple):
    """A finished run: its folder, and the table that it was trained on."""

    folder: Path
    table: Path


def train_on_table(folder: Path, *overrides: str) -> TableRun:
    """Train a small network on a table in a folder."""
    from lightune import compose, train

    table = write_table(folder / "people.csv")
    words = [f"data.path={table}", "model.units=8", "trainer.max_epochs=2", "logger=none", f"output_root={folder}"]
    return TableRun(train(compose([*overrides, *words])).run_dir, table)


@pytest.fixture(scope="session")
def class_run(tmp_path_factory) -> TableRun:
    """A run that predicts one of two classes."""
    words = ["data=csv", "data.target=class", "data.ignore=[value]"]
    return train_on_table(tmp_path_factory.mktemp("classes"), *words)


@pytest.fixture(scope="session")
def value_run(tmp_path_factory) -> TableRun:
    """A run that predicts a number, with embeddings of categories."""
    words = ["data=csv_regression", "data.target=value", "data.ignore=[class]", "data.categories=embedding"]
    return train_on_table(tmp_path_factory.mktemp("values"), *words)


@pytest.fixture(scope="session")
def fold_run(tmp_path_factory) -> TableRun:
    """A run of three folds."""
    words = ["data=csv", "data.target=class", "data.ignore=[value]", "validation=kfold", "validation.k=3"]
    return train_on_table(tmp_path_factory.mktemp("folds"), *words)
