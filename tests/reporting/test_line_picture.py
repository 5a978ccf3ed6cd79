import numpy as np
import pytest

from lightune.reporting.line_picture import line_picture

RED = np.array([0xB0, 0x3A, 0x2E])


def columns_in(picture, colour):
    return np.flatnonzero((picture == colour).all(axis=2).sum(axis=0) > 100)


def test_the_mark_stands_where_its_value_is():
    x = np.geomspace(1e-4, 1, 50).tolist()
    places = []
    for mark in (1e-4, 1e-2, 1.0):
        picture = line_picture(x, np.linspace(2, 1, 50).tolist(), mark=mark, x_name="rate", y_name="loss")
        assert picture.shape[2] == 3
        assert picture.dtype == np.uint8
        places.append(columns_in(picture, RED).mean())
    assert places[1] == pytest.approx((places[0] + places[2]) / 2, abs=1.5)
    assert places[0] < places[1] < places[2]
    assert not len(columns_in(line_picture(x, x, mark=None, x_name="", y_name=""), RED))


def test_the_line_falls_where_values_fall():
    def middle(values):
        picture = line_picture([1, 10, 100], values, mark=None, x_name="", y_name="")
        blue = (picture == np.array([0x1F, 0x4E, 0x8C])).all(axis=2)
        rows, columns = blue.nonzero()
        return rows[columns < 120].mean(), rows[columns > 580].mean()

    left, right = middle([3, 2, 1])
    assert left < right
    left, right = middle([1, 2, 3])
    assert left > right


@pytest.mark.parametrize(("x", "y"), [([64.0], [0.0]), ([1.0, 2.0], [5.0, 5.0])])
def test_one_point_and_a_level_line_are_drawn(x, y):
    assert line_picture(x, y, mark=x[0], x_name="size", y_name="MB").std() > 0
