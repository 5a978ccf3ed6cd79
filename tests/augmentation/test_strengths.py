import pytest
import torch

from lightune.augmentation import Augmentation, ValueRange

IMAGES = {
    "flip": {"flip": 0.5},
    "crop": {"crop": 0.2},
    "rotate": {"rotate": 30},
    "resize": {"resize": 0.3},
    "color": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
    "auto": {"auto": 1.0},
    "all": {"flip": 0.5, "crop": 0.1, "rotate": 9, "resize": 0.2, "brightness": 0.3, "contrast": 0.3, "auto": 0.5},
}
SOUNDS = {
    "shift": {"time_shift": 0.2},
    "masks": {"time_mask": 0.3, "frequency_mask": 0.3},
}
CASES = [*((own, "image") for own in IMAGES.values()), *((own, "audio") for own in SOUNDS.values())]


def samples(kind="image", count=23, dtype=torch.uint8, shape=(3, 7, 5)):
    drawn = torch.randint(0, 256, (count, *shape), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.float32 if kind == "audio" else dtype)


def vary(strengths, raw, rows=None, *, kind="image", seed=0, epoch=0):
    rows = torch.arange(len(raw)) if rows is None else rows
    values = ValueRange.of(samples(kind, dtype=raw.dtype) if len(raw) < 23 else raw)
    return Augmentation(**strengths)(raw, rows, seed=seed, epoch=epoch, values=values, kind=kind)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("strengths", "kind"), CASES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_sample_is_varied_to_the_same_bits_in_whatever_batch(strengths, kind, dtype, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        raw, rows = (
            samples(kind, dtype=dtype),
            torch.randperm(1000, generator=torch.Generator().manual_seed(1))[:23],
        )
        values = ValueRange.of(raw)
        varied = Augmentation(**strengths)

        def of(part):
            return varied(raw[part], rows[part], seed=3, epoch=2, values=values, kind=kind)

        whole = of(torch.arange(23))
        for size in (1, 2, 5):
            assert torch.equal(torch.cat([of(part) for part in torch.arange(23).split(size)]), whole)
        order = torch.randperm(23, generator=torch.Generator().manual_seed(2))
        assert torch.equal(of(order), whole[order])
        assert whole.dtype == torch.float32
        assert whole.shape == raw.shape
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("size", [225, 450])
def test_large_images_are_varied_in_parts_to_the_same_bits(size):
    raw = samples(count=3, shape=(3, size, size))
    whole = vary(IMAGES["all"], raw)
    assert torch.equal(
        torch.cat([vary(IMAGES["all"], raw[i : i + 1], torch.tensor([i])) for i in range(3)]), whole
    )


@pytest.mark.parametrize(("strengths", "kind"), CASES)
def test_seed_epoch_and_row_each_vary_a_sample_anew(strengths, kind):
    raw = samples(kind)
    first = vary(strengths, raw, kind=kind)
    assert torch.equal(first, vary(strengths, raw, kind=kind))
    for other in (
        vary(strengths, raw, kind=kind, seed=1),
        vary(strengths, raw, kind=kind, epoch=1),
        vary(strengths, raw, torch.arange(23) + 100, kind=kind),
    ):
        assert not torch.equal(first, other)


@pytest.mark.parametrize(("strengths", "kind"), CASES)
def test_samples_as_they_were_read_are_not_changed(strengths, kind):
    for dtype in (torch.uint8, torch.float32):
        raw = samples(kind, dtype=dtype)
        before = raw.clone()
        vary(strengths, raw, kind=kind)
        assert torch.equal(raw, before)


def test_the_probability_of_a_flip_is_the_share_of_images_that_are_mirrored():
    raw = samples(count=2000)
    for share in (0.0, 0.25, 1.0):
        made = vary({"flip": share}, raw)
        mirrored = (made == raw.flip(3).float()).flatten(1).all(1)
        assert torch.equal(made[~mirrored], raw[~mirrored].float())
        assert mirrored.float().mean() == pytest.approx(share, abs=0.04)


def test_a_crop_moves_an_image_by_whole_pixels_up_to_its_share():
    raw = torch.zeros(2000, 1, 9, 9)
    raw[:, 0, 4, 4] = 1.0
    made = vary({"crop": 0.2}, raw)
    assert set(made.unique().tolist()) == {0.0, 1.0}
    places = {tuple(place) for place in made[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_angles_reach_as_far_as_they_may_and_no_further():
    raw = torch.zeros(500, 1, 41, 41)
    raw[:, 0, 20, 35:] = 1.0  # a hand that points to the right
    made = vary({"rotate": 40}, raw)[:, 0, :, 20:]
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(21.0), indexing="ij")
    angles = torch.rad2deg(torch.atan2((made * y).sum((1, 2)), (made * x).sum((1, 2))))
    assert -41 < angles.min() < -38
    assert 38 < angles.max() < 41


def test_sizes_reach_as_far_as_they_may_either_way():
    raw = torch.zeros(500, 1, 33, 33)
    raw[:, 0, 12:21, 12:21] = 1.0
    areas = vary({"resize": 0.5}, raw).sum((1, 2, 3)) / 81
    assert areas.min() == pytest.approx(1 / 2.25, rel=0.05)
    assert areas.max() == pytest.approx(2.25, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_brightness_multiplies_by_factors_around_one(dtype):
    raw = torch.full((500, 3, 4, 4), 100).to(dtype)
    raw[0, 0, 0, 0], raw[0, 0, 0, 1] = 0, 250
    values = ValueRange.of(raw)
    rows = torch.arange(500)
    made = Augmentation(brightness=0.3)(raw, rows, seed=0, epoch=0, values=values, kind="image")
    factors = made[:, 1, 0, 0] / 100
    assert 0.69 < factors.min() < 0.72
    assert 1.28 < factors.max() < 1.31


def test_contrast_and_saturation_move_away_from_the_mean_and_from_grey():
    raw = samples(count=300, shape=(3, 6, 6)) // 4 + 90
    spread = vary({"contrast": 0.5}, raw).std((1, 2, 3)) / raw.float().std((1, 2, 3))
    assert 0.45 < spread.min() < 0.6
    assert 1.4 < spread.max() < 1.55
    colour = vary({"saturation": 0.5}, raw).std(1).mean((1, 2)) / raw.float().std(1).mean((1, 2))
    assert 0.45 < colour.min() < 0.6
    assert 1.4 < colour.max() < 1.55


def test_auto_is_done_to_its_share_of_images():
    raw = samples(count=1000, shape=(3, 16, 17))
    changed = [(vary({"auto": share}, raw) != raw).flatten(1).any(1).float().mean() for share in (0.3, 1.0)]
    assert changed[0] == pytest.approx(0.3 * 13 / 14, abs=0.05)
    assert changed[1] == pytest.approx(13 / 14, abs=0.05)


def test_dark_is_what_is_dark_among_the_training_samples():
    raw = torch.full((40, 1, 6, 6), -3.0)
    raw[:, :, 2:4, 2:4] = 5.0
    for strengths in ({"crop": 0.5}, {"rotate": 180.0}, {"auto": 1.0, "rotate": 20.0}):
        made = vary(strengths, raw)
        assert made.min() >= -3.001
        assert made.max() <= 5.001
    assert set(vary({"crop": 0.5}, raw).unique().tolist()) == {-3.0, 5.0}


def test_one_strength_leaves_the_numbers_of_another_alone():
    raw = torch.zeros(200, 1, 9, 9)
    raw[:, 0, 4, 4] = 1.0
    assert torch.equal(vary({"crop": 0.2}, raw), vary({"crop": 0.2, "flip": 1.0}, raw.flip(3)))


def test_strengths_that_are_not_zero_are_known_and_so_is_what_they_vary():
    both = Augmentation(flip=0.5, time_mask=0.1)
    assert both.strengths == {"flip": 0.5, "time_mask": 0.1}
    assert both.unfit_for("image") == ["time_mask"]
    assert both.unfit_for("audio") == ["flip"]
    assert both.unfit_for("table") == ["flip", "time_mask"]
    assert Augmentation().strengths == {}


def test_a_batch_of_no_samples_stays_one():
    assert vary({"flip": 0.5}, samples()[:0]).shape == (0, 3, 7, 5)
