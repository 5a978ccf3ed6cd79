import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from lightune.augmentation.trivial import (
    OPERATIONS,
    auto_contrast,
    equalize,
    posterize,
    sharpness,
    solarize,
    trivially_varied,
)


def levels(shape=(3, 24, 20), count=3, low=0, high=256):
    return torch.randint(low, high, (count, *shape), generator=torch.Generator().manual_seed(0)).float()


def test_images_are_equalized_as_torchvision_equalizes_them():
    x = levels(low=40, high=140)
    assert torch.equal(equalize(x), functional.equalize(x.byte()).float())
    few = levels((1, 8, 8))  # fewer pixels than levels: it leaves them alone
    assert torch.equal(equalize(few), functional.equalize(few.byte()).float())


def test_images_are_posterized_and_solarized_as_torchvision_does_it():
    x = levels()
    for own, image, bits in zip(posterize(x, torch.tensor([2, 5, 8])), x, (2, 5, 8), strict=True):
        assert torch.equal(own, functional.posterize(image.byte(), bits).float())
    for own, image, from_ in zip(solarize(x, torch.tensor([0.0, 99.5, 255.0])), x, (0, 99.5, 255), strict=True):
        assert torch.equal(own, functional.solarize(image.byte(), from_).float())


def test_contrast_is_stretched_as_torchvision_stretches_it():
    x = levels(low=40, high=140)
    x[0, 0] = 7.0  # one that does not vary
    torch.testing.assert_close(auto_contrast(x) / 255, functional.autocontrast(x / 255), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 9), (3, 2, 9)])
def test_images_are_sharpened_as_torchvision_sharpens_them(shape):
    x, factors = levels(shape), torch.tensor([0.0, 0.5, 1.9])
    for own, image, factor in zip(sharpness(x, factors), x, factors.tolist(), strict=True):
        torch.testing.assert_close(own / 255, functional.adjust_sharpness(image / 255, factor), atol=1e-5, rtol=0)


def test_each_image_has_the_operation_that_was_chosen_for_it():
    x = levels(count=len(OPERATIONS))
    chosen, amounts = torch.arange(len(OPERATIONS)), torch.full((len(OPERATIONS),), 0.5)
    before = x.clone()
    made = trivially_varied(x, chosen, amounts)
    assert torch.equal(x, before)
    for place, operation in enumerate(OPERATIONS.values()):
        own = slice(place, place + 1)
        assert torch.equal(made[own], operation(x[own].clone(), amounts[own]))
        assert torch.equal(made[own], x[own]) == (place == 0)
    turned = functional.rotate(x[5], 67.5, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(made[5], turned, atol=5e-3, rtol=0)
