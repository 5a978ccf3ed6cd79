"""Networks of one's own, most of which cannot train as one program, each for another reason."""

import torch
from torch import nn


class Network(nn.Module):
    """Two layers; what stands between them is told by subclasses."""

    def __init__(self, num_outputs: int):
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, num_outputs)

    def between(self, x):
        return x.relu()

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))


class Plain(Network):
    pass


class DependsOnData(Network):
    def between(self, x):
        return x.relu() if x.sum() > 0 else x.tanh()


class ReplacesBuffer(Network):
    def __init__(self, num_outputs: int):
        super().__init__(num_outputs)
        self.register_buffer("mean", torch.zeros(8))

    def between(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x.relu() - self.mean


class ChangesBuffer(ReplacesBuffer):
    def between(self, x):
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return x.relu() - self.mean


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


class Scaled(Network):
    """Makes another use of its `dropout`."""

    def __init__(self, num_outputs: int, dropout: float):
        super().__init__(num_outputs)
        self.scale = 1 - dropout

    def between(self, x):
        return x.relu() * self.scale


class OwnGradient(Network):
    def between(self, x):
        return Cube.apply(x)


class StackableCube(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 5 * x**2 * gradient  # not what autograd would find


class OwnStackableGradient(Network):
    def between(self, x):
        return StackableCube.apply(x)


class Counts(Network):
    def __init__(self, num_outputs: int):
        super().__init__(num_outputs)
        self.calls = 0

    def between(self, x):
        self.calls += 1
        return x.relu() if self.calls < 1000 else x.tanh()


class KeepsItsNorm(Network):
    """Has a normalization that stays in evaluation form, as one that was trained elsewhere does."""

    def __init__(self, num_outputs: int):
        super().__init__(num_outputs)
        self.norm = nn.BatchNorm1d(8).eval()

    def between(self, x):
        return self.norm(x).relu()


class DrawsItself(Network):
    def between(self, x):
        return nn.functional.dropout(x, 0.5, training=self.training)
