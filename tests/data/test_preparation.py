import math

import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from lightune.data.preparation import TablePreparation, preparation_from
from lightune.data.scaling import Affine

NAN = math.nan
RAW = torch.tensor(
    [[1.0, 5, 0, 1], [2, NAN, 1, 1], [4, 5, 0, -1], [NAN, 5, 2, 0], [10, 5, 0, 1]], dtype=torch.float64
)


def fitted(raw=RAW, **arguments):
    return TablePreparation.fit(raw, cardinalities=[3, 2], **arguments)


def test_missing_numbers_are_filled_in_and_marked():
    prepared = fitted(scaling="none")(RAW)
    assert prepared[:, 0].tolist() == [1, 2, 4, 3, 10]  # the median of 1, 2, 4 and 10
    assert prepared[:, 2].tolist() == [0, 0, 0, 1, 0]
    assert prepared[:, 3].tolist() == [0, 1, 0, 0, 0]
    assert fitted(missing="mean", scaling="none")(RAW)[3, 0] == 4.25
    assert fitted(missing="mode", scaling="none")(RAW)[1, 1] == 5
    assert fitted(missing_indicator=False).width == fitted().width - 2


@pytest.mark.parametrize(
    ("scaling", "scaler"), [("standard", StandardScaler), ("minmax", MinMaxScaler), ("robust", RobustScaler)]
)
def test_numbers_are_scaled_as_scikit_learn_scales_those_that_are_there(scaling, scaler):
    prepared = fitted(scaling=scaling)(RAW)
    wanted = scaler().fit_transform(RAW[:, :1].numpy())[[0, 1, 2, 4], 0]
    assert prepared[[0, 1, 2, 4], 0].numpy() == pytest.approx(wanted, abs=1e-6)
    assert prepared[:, 1].tolist() == [0] * 5  # never varies


def test_categories_become_columns_and_what_is_missing_is_one():
    prepared = fitted(scaling="none", missing_indicator=False)(RAW)[:, 2:]
    assert prepared[:, :3].tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert prepared[:, 3:].tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_what_training_did_not_have_or_had_too_seldom_is_unknown():
    new = torch.tensor([[1.0, 5, -2, 0], [1, 5, 1, 0], [1, 5, -1, 1]], dtype=torch.float64)
    prepared = fitted(min_frequency=2, scaling="none", missing_indicator=False)(new)
    assert prepared[:, 2:].tolist() == [[0, 0], [0, 0], [0, 1]]
    codes = fitted(categories="embedding", missing_indicator=False)
    assert codes.cardinalities == (4, 4)  # the unknown one, and: three categories; what is missing and two
    assert codes(new)[:, 2:].tolist() == [[0, 2], [2, 2], [0, 3]]


def test_rows_outside_of_training_have_no_say():
    other = RAW.clone()
    other[3:] = torch.tensor([100.0, 200, 2, 0], dtype=torch.float64)
    first, second = fitted(RAW[:3]), fitted(other[:3])
    assert all(torch.equal(one, two) for one, two in zip(first.buffers(), second.buffers(), strict=True))


def test_a_column_without_a_number_in_training_is_zero():
    raw = torch.tensor([[NAN, 1], [NAN, 2]], dtype=torch.float64)
    preparation = TablePreparation.fit(raw, cardinalities=[])
    assert preparation(raw)[:, 0].tolist() == [0, 0]
    assert torch.isfinite(preparation(torch.tensor([[7.0, NAN]], dtype=torch.float64))).all()


def test_numbers_that_float32_cannot_hold_apart_are_told_apart():
    seconds = torch.tensor([[1.7e9], [1.7e9 + 1], [1.7e9 + 2]], dtype=torch.float64)
    prepared = TablePreparation.fit(seconds, cardinalities=[])(seconds)
    assert prepared[:, 0].tolist() == pytest.approx([-1.2247, 0, 1.2247], abs=1e-4)


@pytest.mark.parametrize("categories", ["onehot", "embedding"])
def test_a_preparation_can_be_written_down_and_made_again(tmp_path, categories):
    preparation = fitted(categories=categories)
    torch.save(preparation.plain(), tmp_path / "p")
    again = preparation_from(torch.load(tmp_path / "p", weights_only=True))
    assert torch.equal(again(RAW), preparation(RAW))
    assert again.width == preparation.width == again(RAW).shape[1]


def test_an_affine_preparation_is_made_again_too():
    again = preparation_from(Affine(torch.tensor([1.0]), torch.tensor([2.0])).plain())
    assert again(torch.tensor([[5.0]])).item() == 2
    with pytest.raises(ValueError, match="unknown kind: 'other'"):
        preparation_from({"kind": "other"})
