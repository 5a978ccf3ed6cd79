import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from lightune.private_api.torch import (
    empty_shared,
    end_workers,
    fused_kernel,
    increment,
    interpolate,
    is_watched,
    unsafe_view,
    without_examples,
)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad"])
def test_the_kernels_of_fused_optimizers_are_there(name):
    assert callable(fused_kernel(name))


def test_a_kernel_does_what_the_optimizer_does():
    weights, gradient = torch.ones(3), torch.full((3,), 0.5)
    settings = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
    fused_kernel("sgd")([weights], [gradient], [], lr=0.1, is_first_step=True, **settings)
    assert torch.allclose(weights, torch.full((3,), 0.95))


def test_many_counts_grow_in_one_call():
    counts = [torch.zeros(()), torch.ones(())]
    increment(counts, torch.tensor(1.0), alpha=1)
    assert [count.item() for count in counts] == [1.0, 2.0]


@pytest.fixture
def optimizer():
    return torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)


def test_an_optimizer_by_itself_is_watched_by_nobody(optimizer):
    assert not is_watched(optimizer)


def test_hooks_and_other_steps_are_seen(optimizer):
    handle = optimizer.register_step_post_hook(lambda *_: None)
    assert is_watched(optimizer)
    handle.remove()
    assert not is_watched(optimizer)
    optimizer.step = lambda closure=None: None
    assert is_watched(optimizer)


def test_hooks_of_all_optimizers_are_seen(optimizer):
    handle = register_optimizer_step_pre_hook(lambda *_: None)
    try:
        assert is_watched(optimizer)
    finally:
        handle.remove()


def test_a_schedule_that_follows_the_steps_does_not_watch(optimizer):
    torch.optim.lr_scheduler.ConstantLR(optimizer)
    optimizer.zero_grad()
    optimizer.step()
    assert not is_watched(optimizer)


def test_workers_end_and_others_begin_anew():
    loader = DataLoader(list(range(4)), num_workers=1, persistent_workers=True)
    first = iter(loader)
    assert len(list(first)) == 4
    workers = list(first._workers)
    end_workers(loader)
    assert not any(worker.is_alive() for worker in workers)
    assert len(list(loader)) == 4
    end_workers(loader)
    end_workers(loader)  # there is none


def test_a_program_is_recorded_the_same_without_examples():
    def reshaped(x):
        return torch.ops.aten._unsafe_view(x * 2, [6])

    with without_examples():
        recorded = make_fx(reshaped)(torch.ones(2, 3))
    assert unsafe_view in [node.target for node in recorded.graph.nodes]
    assert all("val" not in node.meta or node.meta["val"] is None for node in recorded.graph.nodes)
    assert torch.equal(recorded(torch.ones(2, 3)), torch.full((6,), 2.0))


def test_a_tensor_of_memory_that_is_shared_can_be_written_to():
    made = empty_shared((2, 3), torch.float32)
    made[:] = 1.5
    assert made.is_shared()
    assert made.sum() == 9


def test_many_tensors_are_moved_towards_others_in_one_call():
    averages = [torch.zeros(2), torch.ones(1)]
    interpolate(averages, [torch.ones(2), torch.full((1,), 3.0)], 0.25)
    assert [each.tolist() for each in averages] == [[0.25, 0.25], [1.5]]
