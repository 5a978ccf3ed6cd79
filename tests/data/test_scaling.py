import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from lightune.data.scaling import fit_scaling


@pytest.fixture
def table():
    return torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 10, 100, 0.1]) + 3


@pytest.mark.parametrize(("scaling", "reference"), [("minmax", MinMaxScaler), ("standard", StandardScaler)])
def test_columns_of_a_table_are_scaled_as_scikit_learn_does(table, scaling, reference):
    other = table * 2 - 1
    expected = reference().fit(table).transform(other)
    torch.testing.assert_close(fit_scaling(table, scaling)(other), torch.from_numpy(expected).float())


def test_none_leaves_numbers_as_they_are(table):
    assert torch.equal(fit_scaling(table, "none")(table), table)


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_channels_of_an_image_are_scaled_one_by_one(scaling):
    sizes = torch.tensor([1.0, 9.0, 99.0]).reshape(3, 1, 1)
    images = torch.rand(6, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * sizes
    scaled = fit_scaling(images, scaling)(images)
    for channel in range(3):
        pixels = images[:, channel]
        wide = pixels.std(correction=0) if scaling == "standard" else pixels.max() - pixels.min()
        start = pixels.mean() if scaling == "standard" else pixels.min()
        torch.testing.assert_close(scaled[:, channel], (pixels - start) / wide, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e8])
def test_a_constant_column_is_only_shifted(scaling, value):
    train = torch.tensor([[value, 1.0], [value, 2.0], [value, 4.0]])
    scaled = fit_scaling(train, scaling)(train)
    assert scaled.isfinite().all()
    assert scaled[:, 0].tolist() == [0, 0, 0]


def test_a_small_spread_around_a_large_mean_is_not_lost_to_rounding():
    images = torch.full((40, 1, 100, 100), 20000.0)
    images[:, :, ::2] = 20001.0
    scaled = fit_scaling(images, "standard")
    assert scaled.shift.item() == pytest.approx(20000.5, abs=1e-2)
    assert scaled.scale.item() == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("scaling", ["none", "minmax", "standard"])
def test_the_inverse_undoes_the_scaling(table, scaling):
    scaler = fit_scaling(table, scaling)
    torch.testing.assert_close(scaler.inverse(scaler(table)), table, atol=1e-4, rtol=1e-5)


def test_the_statistics_are_kept_in_the_state_of_the_module(table):
    assert set(fit_scaling(table, "standard").state_dict()) == {"shift", "scale"}


def test_little_is_held_in_double_precision_at_a_time(monkeypatch):
    held = []
    double = torch.Tensor.double
    monkeypatch.setattr(torch.Tensor, "double", lambda chunk: held.append(chunk.numel()) or double(chunk))
    images = torch.rand(70, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    scaled = fit_scaling(images, "standard", chunk=1000)
    assert max(held) <= 1000
    assert sum(held) == 2 * images.numel()
    torch.testing.assert_close(scaled.shift.flatten(), images.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(scaled.scale.flatten(), images.std(dim=(0, 2, 3), correction=0))


@pytest.mark.parametrize("scaling", ["none", "minmax", "standard"])
def test_rows_are_fitted_on_as_a_copy_of_them(scaling):
    images = torch.randint(0, 256, (60, 3, 4, 5)).byte()
    rows = torch.randperm(60)[:41]
    copied, chosen = (
        fit_scaling(images[rows], scaling, chunk=600),
        fit_scaling(images, scaling, rows=rows, chunk=600),
    )
    assert torch.equal(copied.shift, chosen.shift)
    assert torch.equal(copied.scale, chosen.scale)
    if scaling == "minmax":
        assert torch.equal(chosen.shift.flatten(), images[rows].amin((0, 2, 3)).float())
