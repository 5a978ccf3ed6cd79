import pickle
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import LightningDataModule, LightningModule

from lightune.checkpoints import WholeCheckpointIO, read_checkpoint
from lightune.data.loader import TensorLoader
from lightune.errors import CheckpointError


class Marker:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "the code ran")


def save(path, **content):
    WholeCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.arange(3.0)}, **content}, path)
    return path


def saved_hyper_parameters(tmp_path, value):
    return read_checkpoint(save(tmp_path / "a.ckpt", hyper_parameters={"value": value}))["hyper_parameters"][
        "value"
    ]


def test_what_is_saved_is_read_back(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path / "folder" / "a.ckpt", epoch=3))
    assert checkpoint["state_dict"]["weight"].tolist() == [0, 1, 2]
    assert checkpoint["epoch"] == 3


def test_a_saved_file_loads_with_weights_only(tmp_path):
    path = save(tmp_path / "a.ckpt", hyper_parameters={"model": torch.nn.Linear(1, 1), "folder": tmp_path})
    assert torch.load(path, weights_only=True)["state_dict"]["weight"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (OmegaConf.create({"lr": 0.1, "layers": [1, 2]}), {"lr": 0.1, "layers": [1, 2]}),
        (OmegaConf.create({"folder": Path("data")}), {"folder": "data"}),
        (OmegaConf.create([1, 2]), [1, 2]),
        (OmegaConf.create({"lr": "${oc.env:NO_SUCH_VARIABLE}"}), {"lr": "${oc.env:NO_SUCH_VARIABLE}"}),
        (Path("data/digits"), "data/digits"),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ((1, 2.5, None, True, "text"), [1, 2.5, None, True, "text"]),
        ({1: {"deep": Path("x")}}, {"1": {"deep": "x"}}),
        (torch.nn.ReLU(), "ReLU()"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hyper_parameters_become_plain_values(tmp_path, value, plain):
    found = saved_hyper_parameters(tmp_path, value)
    assert found == plain
    assert type(found) is type(plain)


def test_a_training_whose_module_and_data_saved_their_arguments_can_be_read(fit, tmp_path):
    class Module(LightningModule):
        def __init__(self, folder, activation):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, batch_idx):
            return self.layer(batch[0]).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    class Data(LightningDataModule):
        def __init__(self, folder):
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self):
            return TensorLoader(torch.zeros(2, 1), torch.zeros(2), batch_size=1)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Attribute 'activation' is an instance of")
        module = Module(tmp_path, torch.nn.ReLU())
    trainer = fit(module, datamodule=Data(tmp_path))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = read_checkpoint(tmp_path / "a.ckpt")
    assert checkpoint["hyper_parameters"] == {"folder": str(tmp_path), "activation": "ReLU()"}
    assert checkpoint["datamodule_hyper_parameters"] == {"folder": str(tmp_path)}


def test_a_tensor_among_the_hyper_parameters_stays_one(tmp_path):
    assert saved_hyper_parameters(tmp_path, torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_the_class_of_the_hyper_parameters_is_left_out(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path / "a.ckpt", hyper_parameters={}, hparams_type=type(OmegaConf)))
    assert "hparams_type" not in checkpoint


def test_a_save_replaces_the_file_before_it_and_leaves_nothing_beside_it(tmp_path):
    path = save(tmp_path / "a.ckpt", epoch=1)
    save(path, epoch=2)
    assert read_checkpoint(path)["epoch"] == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.ckpt", "a.ckpt.sha256"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, error):
    def fail(checkpoint, file):
        file.write(b"PK half a checkpoint")
        raise error

    path = save(tmp_path / "a.ckpt", epoch=1)
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(type(error)):
        save(path, epoch=2)
    monkeypatch.undo()
    assert read_checkpoint(path)["epoch"] == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.ckpt", "a.ckpt.sha256"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.ckpt: there is no such checkpoint"):
        read_checkpoint(tmp_path / "gone.ckpt")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99], ids=["empty", "a few bytes", "half", "all but the end"])
def test_a_damaged_file_is_refused(tmp_path, kept):
    path = save(tmp_path / "a.ckpt", padding=torch.zeros(2000))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointError, match=r"a\.ckpt: is damaged \(.+\)"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("new", [True, False], ids=["archive", "old archive"])
def test_whatever_bytes_are_wrong_the_refusal_is_the_same_kind_of_error(tmp_path, new):
    path, chance = tmp_path / "a.ckpt", random.Random(0)
    torch.save({"state_dict": {"weight": torch.zeros(10)}, "epoch": 3}, path, _use_new_zipfile_serialization=new)
    sound, refused = path.read_bytes(), 0
    for _ in range(120):
        content = bytearray(sound)
        for _ in range(3):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            read_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > 40


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.ckpt"
    for content in (b"no checkpoint at all", b'{"state_dict": {}}', bytes(300)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a\.ckpt: is damaged \(Unsupported operand \d+\)"):
            read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "an archive")
    with pytest.raises(CheckpointError, match=r"a\.ckpt: is damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(3)], ids=["dict", "list", "tensor"])
def test_plain_values_that_are_no_training_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="is no checkpoint of a training"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("form", ["archive", "pickle", "old archive"])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path, form):
    marker, path = tmp_path / "marker", tmp_path / "a.ckpt"
    content = {"state_dict": {}, "callbacks": Marker(marker)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "archive")
    with pytest.raises(
        CheckpointError, match=r"a\.ckpt: holds code or objects, not plain values; it was not loaded"
    ):
        read_checkpoint(path)
    assert not marker.exists()
    if form == "archive":
        torch.load(path, weights_only=False)
        assert marker.exists()
