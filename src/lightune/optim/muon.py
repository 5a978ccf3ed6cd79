"""Muon for the weights of hidden layers, AdamW for all other parameters, as one optimizer."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lightune.ranges import NonNegativeFloat, PositiveFloat, PositiveInt, Probability

__all__ = ["Muon", "hidden_weights"]


class Muon(Optimizer):
    """Step hidden weights along their orthogonalized momentum, all other parameters as AdamW does.

    A hidden weight's step is scaled to the size that AdamW's would have, so that one learning rate suits both.

    Args:
        params: parameters, or groups of them.
        lr: learning rate of both, > 0.
        weight_decay: decoupled decay of all weights, >= 0.
        momentum: of hidden weights, in [0, 1).
        nesterov: whether their momentum looks ahead.
        ns_steps: iterations of Newton and Schulz, which orthogonalize a momentum, > 0.
        betas: of all other parameters, as AdamW's.
        eps: of all other parameters, as AdamW's.
        hidden: those that are hidden weights, each with two dimensions; None for all with two dimensions but the
            last. A supervised task gives them.

    Source: Jordan et al. 2024 (Muon); Liu et al. 2025, section 2.2, for the size of steps.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: PositiveFloat = 1e-3,
        weight_decay: NonNegativeFloat = 0.01,
        momentum: Probability = 0.95,
        nesterov: bool = True,
        ns_steps: PositiveInt = 5,
        betas: tuple[Probability, Probability] = (0.9, 0.999),
        eps: NonNegativeFloat = 1e-8,
        hidden: Collection[Tensor] | None = None,
    ) -> None:
        given: list[Any] = list(params)
        groups: list[dict[str, Any]] = given if given and isinstance(given[0], dict) else [{"params": given}]
        if hidden is None:
            hidden = [each for group in groups for each in group["params"] if each.ndim == 2][:-1]
        of_muon = {id(each) for each in hidden}
        of_hidden: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
        of_others: dict[str, Any] = {"betas": tuple(betas), "eps": eps}
        common: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
        makers: dict[bool, Callable[..., Optimizer]] = {
            True: partial(torch.optim.Muon, **common, **of_hidden, adjust_lr_fn="match_rms_adamw"),
            False: partial(torch.optim.AdamW, **common, **of_others),
        }
        parts = []
        for group in groups:
            for is_hidden in (True, False):
                chosen = [each for each in group["params"] if (id(each) in of_muon) == is_hidden]
                if chosen:
                    parts.append((is_hidden, makers[is_hidden]([{**group, "params": chosen}])))
        self._parts = parts
        super().__init__([group for _, part in parts for group in part.param_groups], {})
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; closure: computes the loss again, and the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for _, part in self._parts:
            part.step()
        return loss

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of, the optimizers that this is made of among it."""
        return {**super().__getstate__(), "_parts": self._parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on from a state, which the optimizers that this is made of share."""
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        for (_, part), group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups = [group]
            part.state = self.state


def hidden_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights with two dimensions between layers: no embedding, and not the last layer's."""
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    others = {id(each) for module in embeddings for each in module.parameters(recurse=False)}
    weights = [each for each in model.parameters() if each.ndim == 2]
    return [each for each in weights[:-1] if id(each) not in others]
