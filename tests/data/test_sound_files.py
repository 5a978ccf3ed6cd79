import io
import math
import struct
import sys

import numpy as np
import pytest
import soundfile
import torch
from scipy.io import wavfile

from lightune.data.sound_files import LogMel, SoundFormat, read_sound

RATE = 8000
WANTED = SoundFormat(RATE, 0.1)  # 800 samples
TIME = np.arange(800) / RATE
TONE = 0.5 * np.sin(2 * np.pi * 440 * TIME)


def wav(wave, rate=RATE):
    file = io.BytesIO()
    wavfile.write(file, rate, wave)
    return file.getvalue()


def in_24_bits(wave):
    """Return a WAV of 24 bits, which scipy reads and does not write."""
    data = b"".join(int(value * 2**23).to_bytes(3, "little", signed=True) for value in wave)
    described = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 3, 3, 24)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + described + (
        b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip


SIXTEEN = wav(np.round(TONE * 2**15).astype(np.int16))


def test_a_format_is_kept_as_plain_values():
    wanted = SoundFormat(16_000, 1.5, "start", 40)
    assert SoundFormat.from_plain(wanted.plain()) == wanted
    assert wanted.samples == 24_000
    assert SoundFormat(8000, 1e-9).samples == 1


@pytest.mark.parametrize(
    ("content", "close"),
    [
        (SIXTEEN, 1e-4),
        (wav(np.round(TONE * 127 + 128).astype(np.uint8)), 1e-2),
        (in_24_bits(TONE), 1e-6),
        (wav(np.round(TONE * 2**31).astype(np.int32)), 1e-6),
        (wav(TONE.astype(np.float32)), 1e-6),
        (wav(TONE), 1e-6),
        (wav(np.stack([TONE + 0.2, TONE - 0.2], axis=1).astype(np.float32)), 1e-6),
    ],
    ids=["16 bits", "8 bits", "24 bits", "32 bits", "float32", "float64", "stereo"],
)
def test_every_kind_of_samples_gives_the_same_wave(content, close, tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    for source in (file, content):
        wave = read_sound(source, WANTED)
        assert wave.dtype == torch.float32
        assert np.abs(wave.numpy() - TONE).max() < close


@pytest.mark.parametrize("rate", [4000, 11_025, 44_100, 48_000])
def test_another_sampling_rate_is_the_same_sound(rate):
    long = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 10) / rate)
    wave = read_sound(wav(long.astype(np.float32), rate), WANTED).numpy()
    inside = slice(100, 700)  # at its ends a sound begins and ends in silence
    assert np.abs(wave[inside] - TONE[inside]).max() < 0.01


def test_a_sound_is_cut_or_filled_to_its_length():
    count = np.arange(1, 1001, dtype=np.int16)
    content = wav(count * 10)

    def read(seconds, crop):
        return (read_sound(content, SoundFormat(RATE, seconds, crop)) * 2**15 / 10).round().int().tolist()

    assert read(0.1, "center") == list(range(101, 901))
    assert read(0.1, "start") == list(range(1, 801))
    assert read(0.15, "center") == [0] * 100 + list(range(1, 1001)) + [0] * 100
    assert read(0.15, "start") == list(range(1, 1001)) + [0] * 200


def with_rate(rate):
    return SIXTEEN[:24] + struct.pack("<II", rate, rate * 2) + SIXTEEN[32:]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "^is empty$"),
        (wav(np.zeros(0, dtype=np.int16)), "^has no samples$"),
        (SIXTEEN[:-601], "^is cut off: its sound lacks 601 bytes$"),
        (SIXTEEN[:44], "^is cut off: its sound lacks 1,600 bytes"),
        (SIXTEEN[:30], "^cannot be decoded"),
        (SIXTEEN[:14], "^cannot be decoded"),
        (wav(np.full(800, np.nan, dtype=np.float32)), "^has samples that are no numbers$"),
        (with_rate(0), "^has a sample rate of 0, which is none of a sound$"),
        (with_rate(2**31 - 1), "^has a sample rate of 2,147,483,647"),
        (SIXTEEN[:22] + b"\0\0" + SIXTEEN[24:], "^cannot be decoded"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(content, said):
    with pytest.raises(ValueError, match=said) as refused:
        read_sound(content, WANTED)
    assert "\n" not in str(refused.value)


def test_a_wave_written_before_its_length_was_known_is_read():
    start = SIXTEEN.index(b"data") + 4
    streamed = SIXTEEN[:start] + b"\xff" * 4 + SIXTEEN[start + 4 :]
    assert torch.equal(read_sound(streamed, WANTED), read_sound(SIXTEEN, WANTED))


@pytest.mark.parametrize(("name", "kind"), [("a.flac", "FLAC"), ("a.mp3", "MP3"), ("a.wav", "other")])
def test_other_files_need_a_package_and_say_which(tmp_path, monkeypatch, name, kind):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / name).write_bytes(b"fLaC and more")
    with pytest.raises(ValueError, match=rf"^is no WAV; for {kind} files: pip install 'lightune\[audio\]'$"):
        read_sound(tmp_path / name, WANTED)


@pytest.mark.parametrize(("name", "off"), [("a.flac", 1e-4), ("a.ogg", 0.1), ("a.mp3", 0.1)])
def test_a_sound_of_another_kind_is_the_same_sound(tmp_path, name, off):
    soundfile.write(tmp_path / name, TONE, RATE)
    read = read_sound(tmp_path / name, WANTED).numpy()
    assert np.abs(read - TONE)[len(TONE) // 10 : -len(TONE) // 10].max() < off


def test_a_file_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match=r"^cannot be decoded \(Format not recognised"):
        read_sound(b"junk" * 100, WANTED)


def log_mel_by_definition(wave, rate, mels, window, hop):
    """Return log-mel energies (mels, frames), a frame at a time, the Fourier transform written out."""
    half = window // 2
    padded = np.concatenate([np.zeros(half), wave, np.zeros(half)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frequencies = np.arange(half + 1) * rate / window
    transform = np.exp(-2j * np.pi * np.outer(np.arange(half + 1), np.arange(window)) / window)
    frames = [padded[first : first + window] * hann for first in range(0, len(wave) + 1, hop)]
    energy = np.abs(transform @ np.stack(frames, axis=1)) ** 2

    def mel(frequency):
        return 2595 * math.log10(1 + frequency / 700)

    bands = np.zeros((mels, half + 1))
    corners = [700 * (10 ** (mel(rate / 2) * n / (mels + 1) / 2595) - 1) for n in range(mels + 2)]
    for band in range(mels):
        low, middle, high = corners[band : band + 3]
        for place, frequency in enumerate(frequencies):
            if low <= frequency <= middle:
                bands[band, place] = (frequency - low) / (middle - low)
            elif middle < frequency <= high:
                bands[band, place] = (high - frequency) / (high - middle)
    return np.log(bands @ energy + 1e-6)


@pytest.mark.parametrize(("rate", "mels", "window"), [(8000, 20, 256), (16_000, 64, 512)])
def test_log_mel_is_what_its_definition_gives(rate, mels, window):
    waves = np.random.default_rng(0).normal(size=(2, rate // 10)) / 10
    found = LogMel(SoundFormat(rate, 0.1, mels=mels))(torch.from_numpy(waves).float())
    assert found.shape == (2, 1, mels, 11)
    for wave, one in zip(waves, found, strict=True):
        wanted = log_mel_by_definition(wave, rate, mels, window, rate // 100)
        assert one[0].numpy() == pytest.approx(wanted, abs=1e-4)


def test_a_tone_is_loudest_in_its_band():
    found = LogMel(WANTED)(torch.from_numpy(TONE).float().unsqueeze(0))[0, 0]
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    wanted = 2595 * math.log10(1 + 440 / 700) / top * (WANTED.mels + 1) - 1
    assert abs(int(found.mean(dim=1).argmax()) - wanted) <= 1


def test_silence_is_a_number():
    assert torch.isfinite(LogMel(WANTED)(torch.zeros(1, 800))).all()
