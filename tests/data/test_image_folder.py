"""Pictures in folders: what they are read as."""

import numpy as np
import torch
from media import small_folder, write_picture, write_pictures
from PIL import Image

from lightune.data import ImageFolder


def test_the_digits_are_scikit_learns():
    from sklearn import datasets

    samples = ImageFolder(image_size=8, channels=1).load()
    digits = datasets.load_digits()
    first = samples.inputs[samples.targets == 3][0, 0] / 255 * 16
    assert np.abs(first.numpy() - digits.images[digits.target == 3][0]).max() < 0.05


def test_pictures_are_read_as_they_are(tmp_path):
    samples = small_folder(ImageFolder, write_pictures(tmp_path, 3)).load()
    assert (samples.inputs.dtype, samples.inputs.shape) == (torch.uint8, (6, 3, 6, 6))
    assert samples.targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.inputs[:3].max() < 100 < 150 <= samples.inputs[3:].min()
    assert samples.schema == {
        "classes": ["cat", "dog"],
        "target": "class",
        "files": {"kind": "image", "size": 6, "resize": "squash", "channels": 3},
    }


def test_a_turned_picture_is_learnt_from_upright(tmp_path):
    root = write_pictures(tmp_path, 2, ".jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    half = np.zeros((8, 8), dtype=np.uint8)
    half[:, :4] = 250
    Image.fromarray(half).save(root / "cat" / "00.jpg", exif=exif, quality=100)
    picture = small_folder(ImageFolder, root, image_size=8, channels=1).load().inputs[0, 0]
    assert picture[:3].min() > 240  # the left half is above
    assert picture[5:].max() < 10


def test_a_picture_elsewhere_is_no_class(tmp_path):
    root = write_pictures(tmp_path, 2)
    write_picture(root / "loose.png")
    assert ("left out", "1 file in no folder of a class") in small_folder(ImageFolder, root).load().report
