import math

import pytest

from lightune.data.instants import instants


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["2021-03-01", "2020-12-31", "2021-3-2"], [1, 0, 2]),
        (["1.3.2021", "31.12.2020", "02.03.2021"], [1, 0, 2]),
        (["3/1/2021", "12/31/2020", "3/2/2021"], [1, 0, 2]),
        (["1/3/2021", "31/12/2020", "2/3/2021"], [1, 0, 2]),
        (["2021-01-01T10:00+05:00", "2021-01-01 04:00", "2021-01-01T06:00:30.5"], [1, 0, 2]),
        (["2021/1/1 10:05", "2021/1/1 9:59", "2021/1/1 10:05:01"], [1, 0, 2]),
        (["10", "9.5", "1e3"], [1, 0, 2]),
        (["20210301", "20201231", "20210302"], [1, 0, 2]),
    ],
    ids=lambda cells: str(cells[0]),
)
def test_dates_and_numbers_are_put_in_order(cells, order):
    times = instants("since", cells, ())
    assert sorted(range(3), key=times.__getitem__) == order


def test_what_is_missing_is_no_time():
    first, second = instants("since", ["2021-03-01", "NA"], ("NA",))
    assert second != second
    assert math.isfinite(first)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1/2/2021", "3/4/2021"], "since: days cannot be told from months in dates such as '"),
        (["2021-02-30"], "since must hold dates or numbers, got '2021-02-30'"),
        (["2021-02-03", "soon"], "since must hold dates or numbers, got 'soon'"),
    ],
)
def test_what_is_neither_is_refused(cells, why):
    with pytest.raises(ValueError, match=why):
        instants("since", cells, ())
