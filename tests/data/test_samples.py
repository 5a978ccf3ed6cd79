import numpy as np
import pytest
import torch

from lightune.data import InMemoryData, Samples
from lightune.data.samples import sound

ROWS = 12


def table():
    return torch.arange(ROWS * 3, dtype=torch.float32).reshape(ROWS, 3)


def classes():
    return torch.arange(ROWS) % 3


def with_value(values, place, value):
    changed = values.clone()
    changed[place] = value
    return changed


def test_sound_samples_stay_as_they_are():
    inputs, targets = table(), classes()
    checked = sound(Samples(inputs, targets, num_classes=3))

    assert checked.inputs is not None
    assert torch.equal(checked.inputs, inputs)
    assert torch.equal(checked.targets, targets)


@pytest.mark.parametrize(
    ("targets", "num_classes", "dtype", "shape"),
    [
        (classes().int(), 3, torch.int64, (ROWS,)),
        (classes().float(), 3, torch.int64, (ROWS,)),
        (classes().to(torch.uint8), 3, torch.int64, (ROWS,)),
        (classes()[:, None], 3, torch.int64, (ROWS,)),
        (classes() > 0, 2, torch.int64, (ROWS,)),
        (classes().numpy(), 3, torch.int64, (ROWS,)),
        (classes().tolist(), 3, torch.int64, (ROWS,)),
        (classes().double(), 0, torch.float32, (ROWS, 1)),
        (classes(), 0, torch.float32, (ROWS, 1)),
        (table().numpy(), 0, torch.float32, (ROWS, 3)),
    ],
)
def test_types_are_converted_where_nothing_is_lost(targets, num_classes, dtype, shape):
    checked = sound(Samples(table(), targets, num_classes=num_classes))

    assert checked.targets.dtype == dtype
    assert tuple(checked.targets.shape) == shape
    assert np.array_equal(checked.targets.numpy().ravel(), np.asarray(targets).ravel())


@pytest.mark.parametrize("inputs", [table().numpy(), table().double(), table().to(torch.uint8), table().tolist()])
def test_inputs_may_be_of_any_real_type(inputs):
    checked = sound(Samples(inputs, classes(), num_classes=3))

    assert torch.equal(checked.inputs.float(), table())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_missing_value_is_refused_with_its_row_and_column(value):
    with pytest.raises(ValueError, match=r"inputs have 1 missing or infinite value \(row 4, column 2, from 0\)"):
        sound(Samples(with_value(table(), (4, 2), value), classes(), num_classes=3))


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"beyond 3\.4e\+38.*row 1, column 0"):
        sound(Samples(with_value(table().double(), (1, 0), 1e300), classes(), num_classes=3))


def test_a_pixel_that_is_no_number_is_refused_with_its_row():
    images = torch.zeros(ROWS, 1, 4, 4)

    with pytest.raises(ValueError, match=r"\(row 7, from 0\)"):
        sound(Samples(with_value(images, (7, 0, 1, 1), float("nan")), classes(), num_classes=3))


def test_many_rows_are_counted():
    with pytest.raises(ValueError, match=r"24 missing .*rows 0, 1, 2, 3, 4 and 7 more, columns 1, 2"):
        sound(Samples(with_value(table(), (slice(None), slice(1, 3)), float("nan")), classes(), num_classes=3))


@pytest.mark.parametrize(
    ("inputs", "targets", "num_classes", "rule"),
    [
        (table(), classes()[:-1], 3, "12 rows of inputs and 11 targets"),
        (table()[:-1], classes(), 3, "11 rows of inputs and 12 targets"),
        (table(), classes() + 1, 3, "from 0 to 2, got 1, 2, 3; number the classes from 0"),
        (table(), classes() * 2 - 1, 2, "from 0 to 1, got -1, 1, 3"),
        (table(), with_value(classes(), 0, -1), 3, "got -1, 0, 1, 2"),
        (table(), classes() + 0.5, 3, "must be whole numbers, got 0.5, 1.5, 2.5"),
        (table(), with_value(classes().float(), 5, float("nan")), 3, r"targets have 1 missing .*row 5"),
        (table(), with_value(classes().float(), 5, float("nan")), 0, r"targets have 1 missing .*row 5"),
        (table(), table(), 3, r"must have shape \(N,\), got \(12, 3\)"),
        (table()[:, 0], classes(), 3, r"a row a sample, \(N, …\), got shape \(12,\)"),
        (table()[:0], classes()[:0], 3, "no samples"),
        (table().to(torch.complex64), classes(), 3, "real numbers"),
        (np.array([["a", 1.0, 2.0]] * ROWS, dtype=object), classes(), 3, "inputs must be numbers, got object"),
        (table(), np.array(["cat", "dog", "cow"] * 4), 3, "targets must be numbers"),
        (table(), torch.zeros(ROWS), 1, "at least 2, got 1"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(inputs, targets, num_classes, rule):
    with pytest.raises(ValueError, match=rule):
        sound(Samples(inputs, targets, num_classes=num_classes))


def test_parts_and_groups_must_fit_the_rows():
    with pytest.raises(ValueError, match=r"12 rows together, got 12 and 0; groups\['patient'\] must .* got 3"):
        sound(Samples(table(), classes(), 3, official_test=12, groups={"patient": np.arange(3)}))


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ValueError, match=r"inputs have 1 missing.*targets of 3 classes"):
        sound(Samples(with_value(table(), (0, 0), float("nan")), classes() + 1, num_classes=3))


def test_a_data_set_is_judged_when_it_is_read():
    class Broken(InMemoryData):
        def load(self):
            return Samples(table(), classes() + 1, num_classes=3)

    with pytest.raises(ValueError, match="number the classes from 0"):
        _ = Broken().samples
