import os
import shutil

import pytest
import torch
from media import write_pictures, write_sounds

from lightune.data import AudioFolder, ImageFolder
from lightune.data.decoded_cache import DecodedCache
from lightune.data.decoded_rows import FileRows

FORM = {"size": 8}


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / name for name in ("a", "b")]
    for file in made:
        file.write_bytes(file.name.encode() * 10)
    return made


@pytest.fixture
def cache(tmp_path):
    return DecodedCache(tmp_path / "cache")


def kept(cache, files, value=1.0, form=FORM):
    cache.keep(files, form, torch.full((len(files), 2), value))
    cache.store()


def test_what_was_kept_is_found_and_nothing_is_written_before(cache, files):
    assert cache.find(files, FORM) is None
    cache.keep(files, FORM, torch.ones(2, 2))
    assert not cache.folder.exists()
    cache.store()
    cache.store()
    assert torch.equal(DecodedCache(cache.folder).find(files, FORM), torch.ones(2, 2))
    assert sorted(file.suffix for file in cache.folder.iterdir()) == [".key", ".npy"]


def test_what_lies_in_a_file_already_is_that_file_and_is_read_where_it_lies(cache, files, tmp_path):
    rows = FileRows(cache.folder, 2, (2,), torch.float32)
    rows.add(torch.ones(2, 2))
    cache.keep(files, FORM, rows.tensor(), rows)
    assert not cache.folder.exists()
    cache.store()
    for in_file in (False, True):
        found = DecodedCache(cache.folder).find(files, FORM, in_file=in_file)
        assert torch.equal(found, torch.ones(2, 2))
        found += 1  # which changes nobody's but this one's
    kept(cache, files, 5.0, {"n": 1})
    for file in cache.folder.iterdir():
        file.unlink()
    assert torch.equal(found, torch.full((2, 2), 2.0))  # who reads it still has it


def test_other_files_another_form_and_another_order_are_not_found(cache, files, tmp_path):
    kept(cache, files)
    assert cache.find(files[::-1], FORM) is None
    assert cache.find(files[:1], FORM) is None
    assert cache.find(files, {"size": 9}) is None
    files[0].write_bytes(b"c" * 10)
    os.utime(files[0], ns=(1, 1))
    assert cache.find(files, FORM) is None


def test_moved_or_touched_files_are_found_by_their_content(cache, files, tmp_path, monkeypatch):
    kept(cache, files)
    moved = [shutil.copy(file, tmp_path / f"{file.name}2") for file in files]
    assert cache.find(moved, FORM) is not None
    monkeypatch.setattr("lightune.data.decoded_cache._content", None)  # now they are known by path, size and time
    assert cache.find(moved, FORM) is not None


def test_the_oldest_is_removed_where_there_is_too_much(files, tmp_path):
    cache = DecodedCache(tmp_path / "cache", largest=400)
    for number in range(3):  # some 200 bytes each
        kept(cache, files, number, {"n": number})
        for file in cache.folder.iterdir():
            os.utime(file, ns=(number, number)) if file.stat().st_mtime_ns > 10 else None
    kept(cache, files, 3.0, {"n": 3})
    assert [cache.find(files, {"n": number}) is not None for number in range(4)] == [False, False, True, True]
    assert sum(file.stat().st_size for file in cache.folder.iterdir()) <= 400
    kept(DecodedCache(tmp_path / "small", largest=15), files)
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY\x01\x00"])
def test_damage_counts_as_not_there_and_is_mended(cache, files, content):
    kept(cache, files)
    (data,) = cache.folder.glob("*.npy")
    data.write_bytes(content)
    assert cache.find(files, FORM) is None
    kept(cache, files)
    assert cache.find(files, FORM) is not None


def test_a_folder_that_is_a_link_is_not_used_and_a_full_disk_is_told(cache, files, tmp_path, monkeypatch, caplog):
    (tmp_path / "elsewhere").mkdir()
    cache.folder.symlink_to(tmp_path / "elsewhere")
    kept(cache, files)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    other = DecodedCache(tmp_path / "other")
    monkeypatch.setattr("lightune.data.decoded_cache.write_whole", full)
    kept(other, files)
    assert "are not kept in" in caplog.text


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("placement", ["host", "stream"])
@pytest.mark.parametrize("kind", [ImageFolder, AudioFolder])
def test_a_folder_is_decoded_once(kind, placement, tmp_path, monkeypatch):
    source = (write_pictures if kind is ImageFolder else write_sounds)(tmp_path / "files", each=3)
    told = {"path": str(source), "output_root": str(tmp_path / "out"), "placement": placement}
    told |= {"image_size": 8} if kind is ImageFolder else {"seconds": 0.1, "mels": 8}
    first = kind(**told)
    inputs = first.samples.inputs
    assert not (tmp_path / "out").exists()
    first.settled()
    without = kind(**told, cache=False)
    monkeypatch.setattr(kind, "read_files", None)
    for where in ("host", "stream"):
        assert torch.equal(kind(**{**told, "placement": where}).samples.inputs, inputs)
    with pytest.raises(TypeError):
        without.load()
