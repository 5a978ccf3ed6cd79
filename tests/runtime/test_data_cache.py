import pytest
import torch

from lightune import compose
from lightune.data import Digits
from lightune.run import prepare
from lightune.runtime import data_cache as warm


@pytest.fixture
def reads(monkeypatch):
    """Count how often the digits are read, in a process that keeps nothing yet."""
    counted, load = [], Digits.load
    monkeypatch.setattr(warm, "_keeps", [])
    monkeypatch.setattr(warm, "_last", {})
    monkeypatch.setattr(Digits, "load", lambda self: counted.append(self.root) or load(self))
    return counted


def data_of(*overrides):
    return prepare(compose(["trainer=cpu", *overrides])).data


def test_data_are_read_once_by_a_process_that_keeps_them(reads):
    warm.keep_data()
    first = data_of("data.batch_size=16")
    second = data_of("data.batch_size=32", "data.scaling=none")
    assert len(reads) == 1
    assert second.samples is first.samples
    assert second.batch_size == 32
    assert not torch.equal(first.scaled("train"), second.scaled("train"))


def test_other_data_are_read_and_the_former_let_go(reads):
    warm.keep_data()
    data_of()
    data_of("data=wine", "optimizer.lr=0.01")
    assert len(warm._last) == 1
    data_of()
    assert len(reads) == 2


def test_a_process_that_was_not_asked_keeps_nothing(reads):
    data_of()
    data_of()
    assert len(reads) == 2
    assert not warm._last
