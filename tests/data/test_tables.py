import pytest
import torch
from sklearn import datasets

from lightune.data import BreastCancer, Diabetes, Digits, Wine


@pytest.mark.parametrize(
    ("data", "samples", "shape", "classes"),
    [
        (Digits, 1797, (1, 8, 8), 10),
        (BreastCancer, 569, (30,), 2),
        (Wine, 178, (13,), 3),
        (Diabetes, 442, (10,), 0),
    ],
)
def test_each_set_knows_its_shapes(data, samples, shape, classes):
    loaded = data()
    assert loaded.samples.inputs.shape == (samples, *shape)
    assert loaded.samples.inputs.dtype == torch.float32
    assert loaded.input_shape == shape
    assert loaded.num_classes == classes
    assert loaded.kind == ("image" if len(shape) == 3 else "table")


@pytest.mark.parametrize("data", [Digits, BreastCancer, Wine])
def test_classes_are_numbered_from_zero(data):
    targets = data().samples.targets
    assert targets.dtype == torch.int64
    assert targets.unique().tolist() == list(range(data().num_classes))


def test_digits_are_the_images_that_scikit_learn_has():
    bunch, samples = datasets.load_digits(), Digits().samples
    assert torch.equal(samples.inputs.squeeze(1), torch.from_numpy(bunch.images).float())
    assert samples.targets.tolist() == bunch.target.tolist()


def test_the_target_of_diabetes_is_one_column_in_real_units():
    data = Diabetes()
    assert data.problem == "regression"
    assert data.num_targets == 1
    assert data.samples.targets.shape == (442, 1)
    assert (data.samples.targets.min().item(), data.samples.targets.max().item()) == (25.0, 346.0)


def test_the_inputs_of_diabetes_are_not_scaled_beforehand():
    ages = Diabetes().samples.inputs[:, 0]
    assert (ages.min().item(), ages.max().item()) == (19.0, 79.0)
