"""When fusing is faster, and how many members fit into memory."""

from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from lightune.data.placement import free_bytes
from lightune.engine.fused.blocks import activation_bytes, evaluating
from lightune.engine.fused.data import share_samples
from lightune.engine.fused.member import Member

# AdamW, batch 64, one CPU thread, training seconds of runs one by one over fused, 8 and 32 members, 2026-11-22:
# MLP 64-h-h-10 with h=128 (3 MFLOP) 3.6 and 4.6, 256 (11) 2.2 and 2.2, 512 (38) 1.4 and 1.3, 724 (76) 1.3 and 1.3,
# 1024 (144) 1.1 and 1.2; two convolutions on 8x8 with 8-16 filters (3) 2.2 and 2.6, on 28x28 with 4-8 (13) 1.2,
# 8-16 (39) 0.9. Bare loops over fused, beside other work, 2026-11-29: two transformer blocks on 128 tokens (1070),
# 8 members 0.9, on 8 columns (105), 32 members 1.2; ResNet 4-8 on 8x8 (4), 8 members 2.7; an LSTM on 128 tokens, 8
# members 0.5, whose program of a step is 19,000 operations that take half a minute to be written down.
MOST_FLOPS_ON_CPU = {"dense": 150e6, "convolution": 25e6}
_MEMORY_SHARE = 0.5  # of what is free; validation and the recorded program need some, others too
_STATES = 6  # parameters, gradients, two moments, the best so far, a temporary


def check_cost(member: Member, device: str) -> str | None:
    """Return why fusing members like this one is slower than training them one by one; None if it is faster.

    On a CPU fusing saves the overhead of operations, not the operations: it pays for small layers and small
    images. The measure is the multiplications of one member's forward pass on one batch. Elsewhere nearly every
    network of a sweep is too small for the device, and fusing pays.
    """
    if any(isinstance(module, torch.nn.RNNBase) for module in member.task.model.modules()):
        return "a recurrent network is written down token by token, which takes longer than fusing saves"
    if torch.device(device).type != "cpu":
        return None
    flops, kind = forward_flops(member), _kind(member)
    most = MOST_FLOPS_ON_CPU[kind]
    if flops <= most:
        return None
    return (
        f"on a CPU {flops / 1e6:.0f} MFLOP a batch is past {most / 1e6:.0f} ({kind}), where fusing no longer pays"
    )


def most_members(members: Sequence[Member], device: str) -> int:
    """Return how many of these members fit into the memory that is free, at least 1."""
    return max(1, int(free_bytes(torch.device(device)) * _MEMORY_SHARE / bytes_of(members)))


def bytes_of(members: Sequence[Member]) -> float:
    """Estimate the memory of one member: its state, its activations, its share of the samples."""
    task, data = members[0].task, members[0].data
    x, _ = next(iter(data.train_dataloader()))
    state: float = sum(value.nbytes for value in task.model.state_dict().values()) * _STATES
    activations = (
        activation_bytes(task.model, x) + x.nbytes
    ) * 3  # forward, backward, and the batch that is gathered meanwhile
    divisions = list({id(member.data): member.data for member in members}.values())
    own = 0.0 if len(divisions) == 1 or share_samples(divisions) else len(divisions) / len(members)
    samples = sum(data.sizes.values()) * x[0].nbytes * own
    return float(state + activations + samples)


def forward_flops(member: Member) -> int:
    """Count the floating-point operations of a forward pass on one training batch."""
    x, _ = next(iter(member.data.train_dataloader()))
    model = member.task.model
    with evaluating(model), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    return int(counter.get_total_flops())


def _kind(member: Member) -> str:
    convolutions = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    return "convolution" if any(isinstance(m, convolutions) for m in member.task.model.modules()) else "dense"
