import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightune.callbacks import Randomness
from lightune.checkpoints import WholeCheckpointIO, read_checkpoint

ALONE = SimpleNamespace(world_size=1, global_rank=0)


def draw():
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(1).item()


def begin():
    """Begin anywhere, with a half of a pair of Gaussian numbers left over."""
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    draw()


@pytest.fixture(autouse=True)
def _seeded():
    begin()


def saved(tmp_path):
    checkpoint = {"state_dict": {}}
    Randomness().on_save_checkpoint(ALONE, None, checkpoint)
    WholeCheckpointIO().save_checkpoint(checkpoint, tmp_path / "a.ckpt")
    return read_checkpoint(tmp_path / "a.ckpt")


def test_numbers_go_on_where_they_were_when_training_begins_and_not_before(tmp_path):
    checkpoint = saved(tmp_path)
    expected = [draw() for _ in range(3)]
    callback = Randomness()
    callback.on_load_checkpoint(ALONE, None, checkpoint)
    assert draw() != expected[0]  # setting up draws numbers too
    callback.on_train_start(ALONE, None)
    assert [draw() for _ in range(3)] == expected


def test_saving_draws_no_number(tmp_path):
    expected = draw()
    begin()
    saved(tmp_path)
    assert draw() == expected


def test_states_are_taken_up_once(tmp_path):
    callback = Randomness()
    callback.on_load_checkpoint(ALONE, None, saved(tmp_path))
    callback.on_train_start(ALONE, None)
    first = draw()
    callback.on_train_start(ALONE, None)
    assert draw() != first


@pytest.mark.parametrize("world_size", [1, 2])
def test_states_of_another_number_of_processes_are_not_taken_up(tmp_path, world_size):
    checkpoint = saved(tmp_path)
    expected = draw()
    callback = Randomness()
    checkpoint["random_state"] *= 3 - world_size
    callback.on_load_checkpoint(ALONE, None, checkpoint)
    callback.on_train_start(SimpleNamespace(world_size=world_size, global_rank=0), None)
    assert draw() != expected


def test_a_checkpoint_without_states_is_let_by():
    callback = Randomness()
    callback.on_load_checkpoint(ALONE, None, {})
    callback.on_train_start(ALONE, None)
