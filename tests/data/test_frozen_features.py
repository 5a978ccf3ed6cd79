"""Features are computed once, found again by what they depend on, and shared."""

import numpy as np
import pytest
import torch

from lightune.data import frozen_features
from lightune.data.frozen_features import FrozenFeatures, store
from lightune.data.scaling import Affine

RAW = torch.arange(24, dtype=torch.uint8).reshape(6, 4)


class Body:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x.sum(1, keepdim=True)


def scaling(shift=1.0):
    return Affine(torch.full((4,), shift), torch.full((4,), 2.0))


@pytest.fixture(autouse=True)
def _forgotten():
    frozen_features._recent.clear()


def features(body, folder, *, digest=b"a"):
    return FrozenFeatures(body, digest, torch.device("cpu"), folder)


def found(body, folder, *, fingerprint="f", preparation=None, digest=b"a"):
    made, preparation = features(body, folder, digest=digest), preparation or scaling()
    file = made.file_for(fingerprint, preparation)
    return file, made.of(RAW, file, preparation, torch.float32)


def test_features_are_those_of_prepared_samples_a_batch_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen_features, "_AT_ONCE", 4)
    body = Body()
    assert torch.equal(found(body, None)[1], ((RAW.float() - 1) / 2).sum(1, keepdim=True))
    assert body.calls == 2


def test_they_are_computed_once_in_a_process(tmp_path):
    body = Body()
    one, two = found(body, tmp_path)[1], found(body, tmp_path)[1]
    assert body.calls == 1
    assert one.data_ptr() == two.data_ptr()


@pytest.mark.parametrize("other", [{"fingerprint": "g"}, {"preparation": scaling(0.0)}, {"digest": b"b"}])
def test_they_depend_on_samples_preparation_and_body(tmp_path, other):
    body = Body()
    first, second = found(body, tmp_path)[0], found(body, tmp_path, **other)[0]
    assert first != second
    assert body.calls == 2


def test_the_next_process_reads_what_was_stored(tmp_path):
    body = Body()
    file, computed = found(body, tmp_path / "new")
    store(file, computed)
    frozen_features._recent.clear()
    assert torch.equal(found(body, tmp_path / "new")[1], computed)
    assert body.calls == 1


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY damaged", None])
def test_a_file_that_is_damaged_or_of_other_samples_counts_as_not_there(tmp_path, content):
    body = Body()
    file, computed = found(body, tmp_path)
    if content is None:
        np.save(file, np.zeros((3, 1), np.float32))
    else:
        file.write_bytes(content)
    frozen_features._recent.clear()
    assert torch.equal(found(body, tmp_path)[1], computed)
    assert body.calls == 2


def test_a_folder_that_leads_elsewhere_is_not_used(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    file, computed = found(Body(), tmp_path / "link")
    store(file, computed)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_disk_that_takes_nothing_is_told_and_costs_nothing(tmp_path, caplog):
    (tmp_path / "file").touch()
    file, computed = found(Body(), tmp_path / "file" / "below")
    store(file, computed)
    assert "features are not kept in" in caplog.text


def test_few_are_kept_in_memory(tmp_path):
    for name in "abcd":
        found(Body(), tmp_path, fingerprint=name)
    assert len(frozen_features._recent) == frozen_features._IN_MEMORY
