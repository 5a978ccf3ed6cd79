"""The loop that a configuration asks for."""

import pytest
import torch
from fused_members import Spec

from lightune import compose
from lightune.training.fused.build_loop import build_loop, device_of


@pytest.mark.parametrize(
    ("precision", "dtype"), [("32-true", torch.float32), ("64-true", torch.float64), ("auto", torch.float32)]
)
def test_precision_and_length_are_the_trainers(precision, dtype):
    cfg = compose(["trainer=cpu", f"trainer.precision={precision}", "trainer.max_epochs=3"])
    loop = build_loop(cfg, [Spec(0).member(), Spec(1).member()], device="cpu")
    assert (loop.max_epochs, loop.step.stack.flat.dtype) == (3, dtype)


def test_hooks_are_called():
    cfg = compose(["trainer=cpu", "trainer.max_epochs=1"])
    started, ended = [], []
    members = [Spec(0).member(), Spec(1).member()]
    build_loop(cfg, members, device="cpu", on_round_start=started.append, on_member_end=ended.append).round()
    assert (started, ended) == ([members], members)


@pytest.mark.parametrize(("trainer", "wanted"), [("cpu", False), ("gpu", True), ("auto", True)])
def test_a_gpu_is_taken_where_the_trainer_may_and_there_is_one(trainer, wanted):
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of(compose([f"trainer={trainer}"])) == (there if wanted else "cpu")
