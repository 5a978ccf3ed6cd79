import numpy as np
import pytest

from lightune.reporting.mistakes_picture import mistakes_picture


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 200, 100), (1, 1, 1)])
@pytest.mark.parametrize("count", [1, 7])
def test_each_image_is_drawn_from_its_least_to_its_greatest_value(shape, count):
    images = np.zeros((count, *shape), dtype=np.float32)
    images[:, :, : max(1, shape[1] // 2)] = -3.0
    picture = mistakes_picture(images, ["a" * 99] * count, ["b"] * count)
    columns, lines = min(count, 6), -(-count // 6)
    assert picture.shape == (lines * 132 + 6, columns * 102 + 6, 3)
    first = picture[6:102, 6 : 6 + (48 if shape[2] == 100 else 96)]
    if shape != (1, 1, 1):
        assert (first[:40].max(), first[60:90].min()) == (0, 255)
