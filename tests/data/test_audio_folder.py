"""Sounds in folders: what they are read as."""

import torch
from media import problems_of, small_folder, write_sound, write_sounds

from lightune.data import AudioFolder


def test_sounds_are_read_as_spectrograms(tmp_path):
    samples = small_folder(AudioFolder, write_sounds(tmp_path, 3)).load()
    assert (samples.inputs.dtype, samples.inputs.shape) == (torch.float32, (6, 1, 8, 11))
    loudest = samples.inputs.mean(dim=(1, 3)).argmax(dim=1)
    assert loudest[:3].max() < loudest[3:].min()
    assert samples.schema["files"]["kind"] == "audio"


def test_a_flac_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    root = write_sounds(tmp_path, 2)
    (root / "cat" / "x.flac").write_bytes(b"fLaC")
    assert (
        "x.flac: is no WAV; for FLAC files: pip install 'lightune[audio]'"
        in problems_of(small_folder(AudioFolder, root))[0]
    )


def test_names_of_files_say_class_group_and_the_test_part(tmp_path):
    for number in range(4):
        for speaker in ("ann", "bob"):
            write_sound(tmp_path / f"{number % 2}_{speaker}_{number}.wav", number, high=bool(number % 2))
    pattern = r"(?P<label>\d)_(?P<group>\w+)_((?P<test>0)|\d)\.wav"
    samples = small_folder(AudioFolder, tmp_path, pattern=pattern, duplicates="keep").load()
    assert samples.schema["classes"] == ["0", "1"]
    assert samples.official_test == 2
    assert samples.groups["group"].tolist() == [0, 1, 0, 0, 1, 1, 0, 1]
    assert samples.targets.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_a_warning_of_a_decoder_is_not_an_error_and_filters_stay(tmp_path, recwarn):
    import warnings

    root = write_sounds(tmp_path, 2)
    file = root / "cat" / "00.wav"
    content = file.read_bytes()
    file.write_bytes(content[:36] + b"note\x04\0\0\0hey!" + content[36:])
    before = list(warnings.filters)
    assert len(small_folder(AudioFolder, root, num_workers=2).load().targets) == 4
    assert warnings.filters == before
    assert not recwarn.list
