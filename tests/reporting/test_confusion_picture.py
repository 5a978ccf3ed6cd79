import numpy as np
import pytest

from lightune.reporting.confusion_picture import confusion_picture


@pytest.mark.parametrize("classes", [2, 30, 100, 1000])
def test_the_diagonal_of_a_sound_network_is_dark_and_the_rest_white(classes):
    picture = confusion_picture(np.eye(classes, dtype=np.int64) * 7, [f"class {n}" for n in range(classes)])
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert max(picture.shape) < 2600
    side = 36 if classes == 2 else 14 if classes == 30 else 800 // classes if classes == 100 else 2
    left = picture.shape[1] - classes * side
    cells = picture[: classes * side : side, left::side]  # a corner of each
    assert cells.shape[:2] == (classes, classes)
    dark = cells.sum(axis=2) < 3 * 128
    assert np.array_equal(dark, np.eye(classes, dtype=bool))


def test_long_names_and_classes_nobody_is_of_are_drawn(capsys):
    picture = confusion_picture(np.zeros((3, 3), dtype=np.int64), ["a" * 500, "", "猫"])
    assert picture.shape[0] < 400
    assert (picture == 255).mean() > 0.5
