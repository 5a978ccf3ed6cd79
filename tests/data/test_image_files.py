import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from lightune.data.image_files import ImageFormat, read_image, resized

GREY = ImageFormat(4, channels=1)
COLOUR = ImageFormat(4)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def halves(*, width=4, height=4):
    """Return a grey picture whose left half is 200 and whose right half is 40."""
    image = np.full((height, width), 200, dtype=np.uint8)
    image[:, width // 2 :] = 40
    return image


def test_a_format_is_kept_as_plain_values():
    wanted = ImageFormat(32, "pad", 1)
    assert ImageFormat.from_plain(wanted.plain()) == wanted
    assert wanted.shape == (1, 32, 32)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_every_lossless_kind_gives_the_same_pixels(kind, tmp_path):
    options = {"lossless": True} if kind == "WEBP" else {}
    file = tmp_path / "a"
    file.write_bytes(encoded(halves(), kind, **options))
    assert read_image(file, COLOUR).tolist() == [[[200, 200, 40, 40]] * 4] * 3
    assert read_image(file, GREY).tolist() == [[[200, 200, 40, 40]] * 4]


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), [255, 0, 0]),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 0)), [10, 20, 30]),
        (Image.new("LA", (4, 4), (77, 128)), [77, 77, 77]),
        (Image.new("RGB", (4, 4), (1, 2, 3)).convert("P"), None),
        (Image.new("1", (4, 4), 1), [255, 255, 255]),
        (Image.fromarray(np.full((4, 4), 0x7FFF, dtype=np.uint16)), [127, 127, 127]),
        (Image.new("I", (4, 4), 0xABCD), [0xAB, 0xAB, 0xAB]),
    ],
    ids=["CMYK", "alpha", "grey alpha", "palette", "black and white", "16 bits", "32 bits"],
)
def test_every_kind_of_pixels_becomes_eight_bits(image, wanted):
    kind = "TIFF" if image.mode in ("CMYK", "I") else "PNG"
    wanted = wanted or list(image.convert("RGB").getpixel((0, 0)))
    assert read_image(encoded(image, kind), COLOUR)[:, 1, 1].tolist() == wanted
    assert read_image(encoded(image, kind), GREY).shape == (1, 4, 4)


def test_a_cmyk_jpeg_has_its_colours():
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = read_image(encoded(red, "JPEG", quality=95), COLOUR)[:, 2, 2].tolist()
    assert found == pytest.approx([255, 0, 0], abs=6)


def test_a_palette_may_be_transparent():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    content = encoded(image, transparency=b"\x00\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(content, COLOUR)[:, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_stands_upright_as_its_exif_says(orientation, kind):
    """Undo each of the eight orientations: what is seen is the same for all of them."""
    to_stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    seen = np.zeros((32, 16), dtype=np.uint8)
    seen[:16, 8:] = 240
    stored = Image.fromarray(seen)
    stored = stored.transpose(to_stored[orientation]) if orientation > 1 else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {})
    found = read_image(encoded(stored, kind, exif=exif, **options), ImageFormat(2, channels=1))
    assert (found > 120).flatten().tolist() == [False, True, False, False]


def test_of_an_animation_the_first_picture_counts():
    frames = [Image.new("L", (4, 4), value) for value in (250, 10, 10)]
    assert read_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), GREY).unique() == 250


def test_a_picture_is_squashed_cropped_or_padded():
    image = torch.from_numpy(halves(width=8, height=4)).unsqueeze(0)
    assert resized(image, ImageFormat(4, "crop", 1)).tolist() == [[[200, 200, 40, 40]] * 4]
    assert resized(image, ImageFormat(2, "squash", 1)).shape == (1, 2, 2)
    padded = resized(image, ImageFormat(8, "pad", 1))[0]
    assert padded[[0, 1, 6, 7]].unique() == 0
    assert padded[2:6].tolist() == [[200] * 4 + [40] * 4] * 4
    thin = torch.full((1, 1, 300), 9, dtype=torch.uint8)
    for resize in ("squash", "crop", "pad"):
        assert resized(thin, ImageFormat(3, resize, 1)).shape == (1, 3, 3)


PNG = encoded(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
JPEG = encoded(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8), "JPEG")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "^is empty$"),
        (b"hello", "^is no picture$"),
        (PNG[:6], "^is no picture$"),
        (PNG[: len(PNG) // 2], r"^cannot be decoded \(.*truncated"),
        (JPEG[: len(JPEG) // 2], r"^cannot be decoded \(.*truncated"),
        (PNG.replace(b"IDAT", b"IDAX", 1), "^is no picture$"),
        (encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "neither of 8 nor of 16 bits"),
        (encoded(Image.new("I", (4, 4), 70_000), "TIFF"), "neither of 8 nor of 16 bits"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_one_line(content, said):
    with pytest.raises(ValueError, match=said) as refused:
        read_image(content, COLOUR)
    assert "\n" not in str(refused.value)
    assert "BytesIO" not in str(refused.value)


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="has more than 200 pixels"):
        read_image(PNG, COLOUR)


def test_damage_anywhere_is_a_line_or_a_picture():
    chance = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = chance.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    whole = [encoded(image, kind) for kind in ("PNG", "GIF", "BMP", "TIFF")]
    whole += [encoded(image, kind, exif=exif) for kind in ("JPEG", "WEBP")]
    refused = 0
    for content in whole:
        for _ in range(40):
            damaged = bytearray(content)
            for place in chance.integers(0, min(200, len(damaged)), 3):
                damaged[place] = chance.integers(256)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    assert read_image(bytes(damaged), COLOUR).shape == COLOUR.shape
                except ValueError:
                    refused += 1
    assert refused > 40
