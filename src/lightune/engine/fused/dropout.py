"""Dropout whose masks are drawn outside the network: one stream of random numbers and one probability a member."""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

Site = tuple[str, torch.Size]
"""A use of a dropout layer: its name, and the shape of what it drops of."""


def dropout_layers(model: nn.Module) -> set[str]:
    """Return the names of a network's dropout layers."""
    return {name for name, module in model.named_modules() if type(module) is nn.Dropout}


class MaskedDropout(nn.Module):
    """Multiply by the next mask that `feed` gives while training; do nothing otherwise.

    Args:
        name: of the layer in its network.
        feed: takes the name and the input and returns its mask, already divided by the probability of being kept.
    """

    def __init__(self, name: str, feed: Callable[[str, Tensor], Tensor]) -> None:
        super().__init__()
        self._name, self._feed = name, feed

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of x: any shape."""
        return x * self._feed(self._name, x) if self.training else x


class DropoutMasks:
    """Find a network's dropout layers, and draw the masks of M members for them.

    On a CPU a member's masks are those that it would draw alone after `seed_everything(seed)`, to the bit; on
    another device they are as random but not the same, for that device draws whole batches in another order.

    Args:
        template: a network that has every `nn.Dropout` that any member has.
        members: the members' networks; a layer that one lacks has probability 0 there.
        seeds: the members' seeds.
        device: where masks are wanted.
        dtype: of the masks.
    """

    def __init__(
        self,
        template: nn.Module,
        members: Sequence[nn.Module],
        seeds: Sequence[int],
        *,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> None:
        self.model = copy.deepcopy(template)
        self.device, self.dtype = torch.device(device), dtype
        self._next: Iterator[Tensor] = iter(())
        self._found: list[Site] | None = None
        self._probabilities: dict[str, list[float]] = {}
        for name, module in list(self.model.named_modules()):
            if type(module) is nn.Dropout:
                layer = MaskedDropout(name, self._feed)
                self._probabilities[name] = [_probability(member, name) for member in members]
                parent, _, child = name.rpartition(".")
                setattr(self.model.get_submodule(parent), child, layer)
        self.generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]

    def find(self, forward: Callable[[nn.Module], object]) -> list[Site]:
        """Run one member's batch through the network; return its dropout layers in the order of their use."""
        self._found = []
        try:
            forward(self.model)
            return self._found
        finally:
            self._found = None

    def draw(self, sites: Sequence[Site], members: Sequence[int] | None = None) -> list[Tensor]:
        """Draw a mask (M, …) for each of the layers found; for some of the members, if they are named."""
        masks = []
        chosen = range(len(self.generators)) if members is None else members
        generators = [self.generators[member] for member in chosen]
        for layer, shape in sites:
            kept = [1 - self._probabilities[layer][member] for member in chosen]
            mask = torch.ones(len(kept), *shape, dtype=self.dtype, device=self.device)
            for row, share, generator in zip(mask, kept, generators, strict=True):
                if share < 1:
                    row.bernoulli_(share, generator=generator).div_(share)
            masks.append(mask)
        return masks

    def blank(self, sites: Sequence[Site], members: int) -> list[Tensor]:
        """Return masks that drop nothing, without drawing."""
        return [torch.ones(members, *shape, dtype=self.dtype, device=self.device) for _, shape in sites]

    def supply(self, masks: Sequence[Tensor]) -> None:
        """Set the masks that one pass through the network uses, in the order of its layers."""
        self._next = iter(masks)

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only."""
        self.generators = [self.generators[row] for row in rows]
        self._probabilities = {
            layer: [values[row] for row in rows] for layer, values in self._probabilities.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers whose masks are drawn."""
        return tuple(self._probabilities)

    def accepts(self, model: nn.Module) -> bool:
        """Return True if all dropout layers of a network are known here."""
        return dropout_layers(model) <= self._probabilities.keys()

    def add_members(self, row: int, model: nn.Module, seed: int) -> None:
        """Put a member into a row in the place of another."""
        self.generators[row] = torch.Generator(self.device).manual_seed(seed)
        for name, values in self._probabilities.items():
            values[row] = _probability(model, name)

    def _feed(self, layer: str, x: Tensor) -> Tensor:
        if self._found is not None:
            self._found.append((layer, x.shape))
            return torch.ones_like(x)
        return next(self._next)


def _probability(member: nn.Module, name: str) -> float:
    try:
        layer = member.get_submodule(name)
    except AttributeError:
        return 0.0
    return float(layer.p) if isinstance(layer, nn.Dropout) else 0.0
