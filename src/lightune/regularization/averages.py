"""Averages of a network's weights over its training, which are judged and saved in the place of the weights."""

from typing import Any

import torch
from torch import Tensor, nn

from lightune.private_api.torch import interpolate

__all__ = ["WeightAverage"]

_FIRST = 10  # steps over which the average forgets its start faster than it will


class WeightAverage:
    """Keep an average of a network's weights beside them; the two can change places.

    Running statistics, as of BatchNorm, are averaged as weights are; what is no floating-point number is copied.

    Args:
        module: whose weights are averaged; they must stay the tensors that they are.
        decay: of an exponential average, in [0, 1): a step keeps min(decay, (1 + t) / (10 + t)) of the average
            after t steps, so that the weights that training began with are soon forgotten (Polyak & Juditsky
            1992; the rule for t as in TensorFlow's ExponentialMovingAverage). None for the plain mean of the
            weights at each update (Izmailov et al. 2018, algorithm 1).

    Attributes:
        updates: how many there have been.
        is_swapped: whether the network has the averages now, and its weights are kept here.
    """

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        kept = module.state_dict(keep_vars=True)
        self._decay = decay
        self._own = {name: value.detach() for name, value in kept.items() if isinstance(value, Tensor)}
        self._kept = {name: value.clone() for name, value in self._own.items()}
        pairs = [(self._kept[name], value) for name, value in self._own.items()]
        self._floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self._others = [pair for pair in pairs if not pair[0].is_floating_point()]
        self.updates = 0
        self.is_swapped = False

    def update(self) -> None:
        """Take the weights of now into the average."""
        kept = 1 - 1 / (self.updates + 1)
        if self._decay is not None:
            kept = min(self._decay, (1 + self.updates) / (_FIRST + self.updates))
        average, own = ([pair[place] for pair in self._floating] for place in (0, 1))
        with torch.no_grad():
            interpolate(average, own, 1 - kept)
            for other, value in self._others:
                other.copy_(value)
        self.updates += 1

    def swap(self) -> None:
        """Let the network's weights and their averages change places."""
        with torch.no_grad():
            for name, value in self._own.items():
                before = value.clone()
                value.copy_(self._kept[name])
                self._kept[name].copy_(before)
        self.is_swapped = not self.is_swapped

    @property
    def averaged(self) -> dict[str, Tensor]:
        """The averages, by name; they go on being changed."""
        return self._own if self.is_swapped else self._kept

    @property
    def trained(self) -> dict[str, Tensor]:
        """The weights that training goes on with, by name; they go on being changed."""
        return self._kept if self.is_swapped else self._own

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and how often they were updated."""
        return {"updates": self.updates, "weights": self.averaged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from averages; the network has its weights."""
        self.updates = state["updates"]
        with torch.no_grad():
            for name, value in self._kept.items():
                value.copy_(state["weights"][name])
