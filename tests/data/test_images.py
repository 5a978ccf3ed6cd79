import pickle
import struct
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from lightune.data import TorchvisionImages

RANDOM = np.random.default_rng(0)


@pytest.fixture
def offline(monkeypatch):
    """Let every download fail as it does without a network."""

    def refuse(*arguments, **more):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", refuse)


def write_mnist(root, name):
    """Write 6 training and 3 test images in the idx format; return both kinds of images and labels."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    content = {}
    for part, count in (("train", 6), ("t10k", 3)):
        images = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = RANDOM.integers(0, 10, count, dtype=np.uint8)
        header = struct.pack(">HBBIII", 0, 8, 3, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + labels.tobytes())
        content[part] = images, labels
    return content


def write_cifar(root, monkeypatch, *, folder, parts, key, names):
    """Write pickled batches of two images each, whose checksums nobody asks for; return images and labels."""
    dataset = {"cifar-10-batches-py": "CIFAR10", "cifar-100-python": "CIFAR100"}[folder]
    (root / folder).mkdir(parents=True)
    images, labels = [], []
    for part in parts:
        images.append(RANDOM.integers(0, 256, (2, 3072), dtype=np.uint8))
        labels.append(RANDOM.integers(0, len(names[1]), 2).tolist())
        (root / folder / part).write_bytes(pickle.dumps({"data": images[-1], key: labels[-1]}))
    (root / folder / names[0]).write_bytes(pickle.dumps({names[2]: names[1]}))
    factory = getattr(torchvision.datasets, dataset)
    monkeypatch.setattr(factory, "train_list", [[part, None] for part in parts[:-1]])
    monkeypatch.setattr(factory, "test_list", [[parts[-1], None]])
    monkeypatch.setattr(factory, "meta", {"filename": names[0], "key": names[2], "md5": None})
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_grey_images_are_read_with_the_official_test_split_last(tmp_path, name):
    content = write_mnist(tmp_path, name)
    samples = TorchvisionImages(name, root=str(tmp_path), download=False).samples
    assert samples.inputs.shape == (9, 1, 28, 28)
    assert samples.inputs.dtype == torch.uint8
    assert samples.official_test == 3
    assert samples.num_classes == 10
    assert np.array_equal(samples.inputs[:6, 0], content["train"][0])
    assert np.array_equal(samples.inputs[6:, 0], content["t10k"][0])
    assert samples.targets.tolist() == [*content["train"][1], *content["t10k"][1]]
    assert samples.targets.dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "folder", "parts", "key", "names"),
    [
        (
            "CIFAR10",
            "cifar-10-batches-py",
            ["data_batch_1", "data_batch_2", "test_batch"],
            "labels",
            ("batches.meta", [f"class {index}" for index in range(10)], "label_names"),
        ),
        (
            "CIFAR100",
            "cifar-100-python",
            ["train", "test"],
            "fine_labels",
            ("meta", [f"class {index}" for index in range(100)], "fine_label_names"),
        ),
    ],
)
def test_colour_images_are_read_channels_first(tmp_path, monkeypatch, name, folder, parts, key, names):
    images, labels = write_cifar(tmp_path, monkeypatch, folder=folder, parts=parts, key=key, names=names)
    samples = TorchvisionImages(name, root=str(tmp_path), download=False).samples
    assert samples.official_test == 2
    assert samples.num_classes == len(names[1])
    assert np.array_equal(samples.inputs, images.reshape(-1, 3, 32, 32))
    assert samples.targets.tolist() == labels.tolist()


def test_files_that_are_there_are_not_downloaded(tmp_path, offline):
    write_mnist(tmp_path, "MNIST")
    assert len(TorchvisionImages("MNIST", root=str(tmp_path), download=True).samples.targets) == 9


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("MNIST", "MNIST/raw/*-ubyte"),
        ("FashionMNIST", "FashionMNIST/raw/*-ubyte"),
        ("CIFAR10", "cifar-10-batches-py"),
        ("CIFAR100", "cifar-100-python"),
    ],
)
def test_missing_files_are_reported_with_the_folder_they_belong_in(tmp_path, name, place):
    root = tmp_path / "images"
    with pytest.raises(FileNotFoundError) as refusal:
        TorchvisionImages(name, root=str(root), download=False).samples  # noqa: B018 - reading is the act
    assert str(refusal.value) == (
        f"{name} is not in {root}; put its files at {root / place}, or set data.root to the folder that has them"
    )
    assert not root.exists()


def test_a_relative_root_is_reported_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"MNIST is not in {tmp_path / 'images'}"):
        TorchvisionImages("MNIST", root="images", download=False).samples  # noqa: B018


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10"])
def test_a_failed_download_is_reported_in_the_same_words_and_leaves_no_folder(tmp_path, offline, name):
    root = tmp_path / "images"
    with pytest.raises(
        FileNotFoundError, match=f"{name} is not in {root} and could not be downloaded; put its files"
    ):
        TorchvisionImages(name, root=str(root), download=True).samples  # noqa: B018
    assert not root.exists()


def test_a_failed_download_leaves_the_files_of_other_sets_alone(tmp_path, offline):
    write_mnist(tmp_path, "FashionMNIST")
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        TorchvisionImages("MNIST", root=str(tmp_path), download=True).samples  # noqa: B018
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FashionMNIST"]
    assert len(list((tmp_path / "FashionMNIST" / "raw").iterdir())) == 4


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("length", [100, 20, 4, 0])
def test_files_that_were_cut_short_are_called_damaged_and_not_missing(tmp_path, offline, length, download):
    write_mnist(tmp_path, "MNIST")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ValueError, match=f"MNIST in {tmp_path} is damaged: ."):
        TorchvisionImages("MNIST", root=str(tmp_path), download=download).samples  # noqa: B018
