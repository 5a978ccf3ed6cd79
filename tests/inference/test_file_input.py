import numpy as np
import pytest
import torch
from media import write_picture, write_pictures, write_sound, write_sounds
from PIL import Image

from lightune.data.image_files import ImageFormat
from lightune.data.sound_files import LogMel, SoundFormat, read_sound
from lightune.inference.file_input import FileInput
from lightune.inference.table_input import Tally

PICTURES = FileInput({"kind": "image", **ImageFormat(6).plain()})
SOUNDS = FileInput({"kind": "audio", **SoundFormat(8000, 0.1, mels=8).plain()})


@pytest.mark.parametrize(
    ("reader", "write", "shape"),
    [(PICTURES, write_pictures, (3, 6, 6)), (SOUNDS, write_sounds, (1, 8, 11))],
    ids=["pictures", "sounds"],
)
def test_the_files_below_a_folder_are_read_some_at_a_time(reader, write, shape, tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.inference.file_input._FILES", 4)
    root, tally = write(tmp_path, 3), Tally()
    (root / "notes.txt").write_text("no file of ours")
    parts = list(reader.chunks(root, tally))
    assert [len(raw) for _, raw in parts] == [len(names) for names, _ in parts] == [4, 2]
    assert [name for names, _ in parts for name in names] == sorted(map(str, root.rglob("*.[pw]*")))
    assert tally == Tally(6)
    together = torch.cat([raw for _, raw in parts])
    assert (together.shape, together.dtype) == ((6, *shape), torch.float32)
    file = root / parts[0][0][0]
    ((names, alone),) = reader.chunks(file, Tally())
    assert names == [str(file)]
    assert torch.allclose(alone, together[:1], atol=1e-5)
    assert torch.equal(reader.raw([str(file), file], Tally()), torch.cat([alone, alone]))


@pytest.mark.parametrize(("reader", "write"), [(PICTURES, write_pictures), (SOUNDS, write_sounds)])
def test_a_file_that_cannot_be_read_is_refused_or_left_out(reader, write, tmp_path):
    root = write(tmp_path, 1)
    (bad,) = (root / "cat").iterdir()
    bad.write_bytes(b"")
    with pytest.raises(ValueError, match=f"^{bad} is empty$"):
        list(reader.chunks(root, Tally()))
    tally = Tally()
    ((names, raw),) = reader.chunks(root, tally, skip=True)
    assert len(names) == len(raw) == tally.rows == 1
    assert list(tally.lines()) == [f"{bad} is left out: is empty"]
    bad.unlink()
    assert list(reader.chunks(bad, tally, skip=True)) == []
    assert tally.unreadable == {str(bad): "No such file or directory"}
    with pytest.raises(FileNotFoundError):
        reader.raw([bad], Tally())


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no picture in it"):
        list(PICTURES.chunks(tmp_path, Tally()))
    with pytest.raises(ValueError, match="has no sound in it"):
        list(SOUNDS.chunks(tmp_path, Tally()))


def test_pictures_of_python_may_be_of_any_size(tmp_path):
    file = write_picture(tmp_path / "a.png")
    pixels = np.asarray(Image.open(file)).transpose(2, 0, 1)
    of_file = PICTURES.raw([file], Tally())
    for picture in (pixels, torch.from_numpy(pixels.copy())):
        assert torch.equal(PICTURES.raw([picture], Tally()), of_file)


def test_waves_of_python_are_of_the_networks_length(tmp_path):
    file = write_sound(tmp_path / "a.wav")
    wave = read_sound(file, SoundFormat(8000, 0.1))
    tally = Tally()
    raw = SOUNDS.raw([wave.numpy(), wave], tally)
    assert torch.equal(raw, SOUNDS.raw([file, file], Tally()))
    assert torch.equal(raw[:1], LogMel(SoundFormat(8000, 0.1, mels=8))(wave.unsqueeze(0)))
    assert tally.rows == 2


@pytest.mark.parametrize(
    ("reader", "samples", "said"),
    [
        (PICTURES, "a.png", r"must be a list, got a.png; predict\(\['a.png'\]\)"),
        (PICTURES, [], "there are no samples"),
        (
            PICTURES,
            [np.zeros((1, 4, 4), dtype=np.uint8)],
            r"a picture \(3, H, W\) uint8; got \(1, 4, 4\) torch.uint8",
        ),
        (PICTURES, [np.zeros((3, 4, 4), dtype=np.float32)], r"got \(3, 4, 4\) torch.float32"),
        (SOUNDS, [np.zeros(801)], r"a waveform \(800,\) at 8000 Hz; got \(801,\)"),
    ],
)
def test_other_samples_are_refused(reader, samples, said):
    with pytest.raises(ValueError, match=said):
        reader.raw(samples, Tally())


def test_a_sound_of_another_sampling_rate_is_the_same_to_the_network(tmp_path):
    slow, fast = (write_sound(tmp_path / f"{rate}.wav", rate=rate) for rate in (8000, 44_100))
    one, other = SOUNDS.raw([slow, fast], Tally())
    loud = one > one.max() - 5  # the tone, and not the noise, which is another for each
    assert loud.sum() > 5
    assert (one - other)[loud].abs().max() < 0.2
