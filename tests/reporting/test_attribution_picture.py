import numpy as np
import pytest

from lightune.reporting.attribution_picture import attribution_picture


@pytest.mark.parametrize("channels", [1, 3])
def test_what_speaks_for_is_red_and_against_is_blue(channels):
    image = np.linspace(0, 1, channels * 64, dtype=np.float32).reshape(channels, 8, 8)
    attribution = np.zeros((8, 8), dtype=np.float32)
    attribution[1, 1], attribution[6, 6] = 2.0, -1.0
    picture = attribution_picture(image, attribution)
    assert picture.shape == (224, 2 * 224 + 8, 3)
    assert picture.dtype == np.uint8
    heat = picture[:, 232:].astype(int)
    assert heat[42, 42].tolist() == [200, 40, 30]
    red, _, blue = heat[182, 182]
    assert blue > red + 30
    plain = heat[42, 182]
    assert len(set(plain)) == 1  # grey


def test_the_image_itself_is_shown_beside_it():
    image = np.zeros((3, 4, 4), dtype=np.float32)
    image[0, 0, 0] = 255
    picture = attribution_picture(image, np.zeros((4, 4), dtype=np.float32))
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[-1, 0].tolist() == [0, 0, 0]


def test_large_images_keep_their_size_and_flat_ones_are_drawn():
    assert (
        attribution_picture(np.ones((1, 300, 300), np.float32), np.zeros((300, 300), np.float32)).shape[0] == 300
    )
