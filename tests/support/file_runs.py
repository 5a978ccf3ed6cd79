"""Runs on small folders of pictures and of sounds and on small tables, trained once for all tests."""

from pathlib import Path
from typing import NamedTuple

import pytest
from media import write_pictures, write_sounds, write_table, write_texts, write_values

QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "logger=none")
SMALL = {
    "image": ("data=image_folder", "data.image_size=8", "model.channels=[4]", "model.units=8"),
    "audio": ("data=audio_folder", "data.seconds=0.1", "data.mels=8", "model.channels=[4]"),
    "text": ("data=text_csv", "model.embedding=4", "model.units=8"),
    "onehot": ("data=csv", "data.target=class", "data.ignore=[value]", "model.units=8"),
    "embedding": ("data=csv", "data.target=class", "data.categories=embedding", "model.units=8"),
    "values": ("data=csv_regression", "data.target=value", "data.ignore=[class]", "model.units=8"),
    "image values": ("data=image_regression", "data.image_size=8", "model.channels=[4]", "model.units=8"),
    "audio values": ("data=audio_regression", "data.seconds=0.1", "data.mels=8", "model.channels=[4]"),
}
"""Kind of data → the overrides of a small training on it, but for its files."""


class FileRun(NamedTuple):
    """A finished run: its folder, and the folder or file that it was trained on."""

    folder: Path
    source: Path


def write_source(kind: str, folder: Path) -> Path:
    """Write forty small samples of a kind or more below a folder; return what `data.path` is to name."""
    folders = {"image": write_pictures, "audio": write_sounds}
    if kind in folders:
        return folders[kind](folder / "files")
    return (write_texts if kind == "text" else write_table)(folder / "table.csv")


def words_for(kind: str, folder: Path) -> list[str]:
    """Write small samples of a kind below a folder; return the overrides of a small training on them."""
    labels = []
    if kind.endswith(" values"):
        manifest = write_values(folder / "files", kind.partition(" ")[0])
        source, labels = folder / "files", [f"data.labels={manifest}"]
    else:
        source = write_source(kind, folder)
    return [*SMALL[kind], f"data.path={source}", *labels]


def train_on_files(kind: str, folder: Path, *overrides: str) -> FileRun:
    """Train a small network on made-up samples of a kind."""
    from lightune import compose, train

    source = write_source(kind, folder)
    words = [*SMALL[kind], *QUICK, f"data.path={source}", f"output_root={folder / 'out'}", *overrides]
    return FileRun(train(compose(words)).run_dir, source)


@pytest.fixture(scope="session")
def picture_run(tmp_path_factory) -> FileRun:
    """A run that tells two kinds of pictures."""
    return train_on_files("image", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def sound_run(tmp_path_factory) -> FileRun:
    """A run that tells two kinds of sounds."""
    return train_on_files("audio", tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="session")
def text_run(tmp_path_factory) -> FileRun:
    """A run that tells two kinds of texts."""
    return train_on_files("text", tmp_path_factory.mktemp("texts"))


def train_on_values(kind: str, folder: Path, *overrides: str) -> FileRun:
    """Train a small network on made-up pictures or sounds with values."""
    from lightune import compose, train

    words = [*words_for(f"{kind} values", folder), *QUICK, f"output_root={folder / 'out'}", *overrides]
    return FileRun(train(compose(words)).run_dir, folder / "files")


@pytest.fixture(scope="session")
def picture_value_run(tmp_path_factory) -> FileRun:
    """A run that predicts a value for each picture."""
    longer = ["trainer.max_epochs=30", "optimizer.lr=0.01"]
    return train_on_values("image", tmp_path_factory.mktemp("picture_values"), *longer)


@pytest.fixture(scope="session")
def sound_value_run(tmp_path_factory) -> FileRun:
    """A run of two folds that predicts a value for each sound."""
    folds = ["validation=kfold", "validation.k=2"]
    return train_on_values("audio", tmp_path_factory.mktemp("sound_values"), *folds)
