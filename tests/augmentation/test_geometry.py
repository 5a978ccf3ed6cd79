import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from lightune.augmentation.geometry import Affine2d, shifted, warped

SHAPES = [(1, 8, 8), (3, 9, 12), (3, 15, 7)]


def images(shape, count=3):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


def column(*values):
    return torch.tensor(values)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_turned_as_torchvision_turns_them(shape):
    x, angles = images(shape), (30.0, -77.0, 180.0)
    ours = warped(x, Affine2d.rotation(column(*angles)))
    for own, image, angle in zip(ours, x, angles, strict=True):
        theirs = functional.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
        torch.testing.assert_close(own, theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_resized_sheared_and_moved_as_torchvision_does_it(shape):
    x, nothing = images(shape, 1), column(0.0)
    how = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    larger = functional.affine(x, **{**how, "scale": 1.3}, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(
        warped(x, Affine2d.scaling(column(1 / 1.3), column(1 / 1.3))), larger, atol=2e-5, rtol=0
    )
    moved = functional.affine(x, **{**how, "translate": [2, -3]}, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(
        warped(x, Affine2d.translation(column(-2.0), column(3.0))), moved, atol=2e-5, rtol=0
    )
    slope = torch.tan(torch.deg2rad(column(20.0)))
    sheared = functional.affine(x, **{**how, "shear": [20.0, 0.0]}, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(warped(x, Affine2d.shear(slope, nothing)), sheared, atol=2e-5, rtol=0)


def test_maps_are_done_one_after_the_other():
    x = images((3, 11, 11), 2)
    turn, stretch = Affine2d.rotation(column(25.0, -10.0)), Affine2d.scaling(column(0.8, 1.1), column(0.8, 1.1))
    both = turn.after(stretch)
    point = column(3.0, -2.0), column(1.0, 4.0)

    def at(own, x, y):
        return own.a * x + own.b * y + own.e, own.c * x + own.d * y + own.f

    for one, two in zip(at(both, *point), at(turn, *at(stretch, *point)), strict=True):
        torch.testing.assert_close(one, two)
    assert torch.allclose(warped(x, Affine2d.identity(column(0.0, 0.0))), x, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_images_are_cut_out_of_padded_ones_as_torchvision_does_it(shape, kind):
    x = (images(shape) * 255).to(kind)
    left, down, mirrored = torch.tensor([0, 2, -3]), torch.tensor([-1, 0, 2]), torch.tensor([True, False, True])
    made = shifted(x, left, down, mirrored, 0.0)
    assert made.dtype == kind
    for own, image, across, along, flips in zip(made, x, left.tolist(), down.tolist(), mirrored, strict=True):
        turned = functional.horizontal_flip(image) if flips else image
        padded = functional.pad(turned, [4, 4])
        assert torch.equal(own, functional.crop(padded, 4 + along, 4 + across, *shape[1:]))


def test_what_lies_beyond_the_edge_is_as_asked():
    made = shifted(torch.ones(1, 1, 2, 2), torch.tensor([1]), torch.tensor([0]), None, -5.0)
    assert made.tolist() == [[[[1.0, -5.0], [1.0, -5.0]]]]
