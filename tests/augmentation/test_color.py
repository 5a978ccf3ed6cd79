import pytest
import torch
from torchvision.transforms.v2 import functional

from lightune.augmentation.color import WHITE, brighten_, contrast_, gray, saturate_

FACTORS = torch.tensor([0.0, 0.4, 1.0, 1.7])


def images(channels=3, size=9):
    return torch.rand(len(FACTORS), channels, size, size, generator=torch.Generator().manual_seed(0))


CHANGES = [
    (brighten_, functional.adjust_brightness),
    (contrast_, functional.adjust_contrast),
    (saturate_, functional.adjust_saturation),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("ours", "theirs"), CHANGES)
def test_colours_change_as_torchvision_changes_them(ours, theirs, channels):
    x = images(channels)
    made = ours(x * WHITE, FACTORS) / WHITE
    for own, image, factor in zip(made, x, FACTORS.tolist(), strict=True):
        torch.testing.assert_close(own, theirs(image, factor), atol=2e-4, rtol=0)


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_have_no_saturation_and_the_mean_for_grey(channels):
    x = images(channels) * WHITE
    assert torch.equal(saturate_(x.clone(), FACTORS), x)
    torch.testing.assert_close(gray(x), x.mean(1))


def test_a_factor_of_one_leaves_an_image_as_it_is():
    x, one = images() * WHITE, torch.ones(len(FACTORS))
    for change, _ in CHANGES:
        assert torch.equal(change(x.clone(), one), x)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_mean_of_a_large_image_is_the_same_alone_and_among_others(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = images(size=225) * WHITE
        together = contrast_(x.clone(), FACTORS)
        apart = [contrast_(x[each : each + 1].clone(), FACTORS[each : each + 1]) for each in range(len(x))]
        assert torch.equal(together, torch.cat(apart))
    finally:
        torch.set_num_threads(before)
