"""Parameters and buffers of several networks of one structure, as tensors with a leading member dimension."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stack:
    """The state of M networks of one structure.

    All trainable parameters of a member lie in one row, so that an update rule takes a few operations whatever the
    number of layers. The networks' own tensors become views of their rows: what is trained here is seen there, and
    nothing is in memory twice.

    Args:
        models: M networks whose parameters and buffers agree in name and shape.
        dtype: of the floating-point state.
        device: where the state lies.

    Raises:
        ValueError: if the networks differ in structure.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._models: list[nn.Module | None] = list(models)
        trained, fixed = _split(models[0])
        for model in models[1:]:
            if [_shapes(part) for part in _split(model)] != [_shapes(trained), _shapes(fixed)]:
                raise ValueError("members must have parameters and buffers of the same names and shapes")
        self.shapes: dict[str, torch.Size] = {name: value.shape for name, value in trained.items()}
        self.weights = [name for name, shape in self.shapes.items() if len(shape) >= 2]
        sizes = [shape.numel() for shape in self.shapes.values()]
        self.flat = torch.empty(len(models), sum(sizes), dtype=dtype, device=device)
        states = [dict(zip(("trained", "fixed"), _split(model), strict=True)) for model in models]
        for row, state in zip(self.flat, states, strict=True):
            for name, view in self._views(row.unsqueeze(0)).items():
                view[0].copy_(state["trained"][name].detach())
        self.buffers: dict[str, Tensor] = {
            name: _cast(torch.stack([state["fixed"][name].detach() for state in states]), dtype).to(device)
            for name in fixed
        }
        self._bind()

    def __len__(self) -> int:
        return len(self.flat)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Views of the trainable parameters: name → (M, …)."""
        return self._views(self.flat)

    def write_buffers(self, buffers: dict[str, Tensor], rows: Sequence[int]) -> None:
        """Set the buffers of some rows after a step: name → (rows, …)."""
        for name, value in buffers.items():
            own = self.buffers[name]
            if isinstance(rows, range):
                own[rows.start : rows.stop].copy_(value)
            else:
                own[torch.tensor(rows, device=own.device)] = value

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only, in this order; the networks of the others are detached."""
        for row in range(len(self._models)):
            if row not in rows:
                self.detach(row)
        kept = torch.tensor(list(rows), device=self.flat.device)
        self.flat = self.flat[kept]
        self.buffers = {name: value[kept] for name, value in self.buffers.items()}
        self._models = [self._models[row] for row in rows]
        self._bind()

    def snapshot(self, row: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return copies of a member's parameters (1, P) and of its buffers."""
        return self.flat[row : row + 1].clone(), {name: value[row].clone() for name, value in self.buffers.items()}

    def detach(self, row: int) -> None:
        """Give a network copies of its tensors: what happens to its row no longer happens to it."""
        if (model := self._models[row]) is not None:
            _point(model, {name: value.clone() for name, value in self._state_of(row).items()})
            self._models[row] = None

    def add_members(self, row: int, model: nn.Module) -> None:
        """Put a network into a row in the place of another.

        Raises:
            ValueError: if it has another structure.
        """
        trained, fixed = _split(model)
        if _shapes(trained) != self.shapes or _shapes(fixed) != {n: v.shape[1:] for n, v in self.buffers.items()}:
            raise ValueError("members must have parameters and buffers of the same names and shapes")
        self.detach(row)
        self._models[row] = model
        for name, view in self._views(self.flat[row : row + 1]).items():
            view[0].copy_(trained[name].detach())
        for name, value in self.buffers.items():
            value[row].copy_(fixed[name].detach())
        self._point_at(row)

    def columns(self, flat: Tensor) -> dict[str, Tensor]:
        """Divide rows (M, P) that lie as the parameters do: name → (M, …) views."""
        return self._views(flat)

    def _bind(self) -> None:
        for row in range(len(self._models)):
            self._point_at(row)

    def _point_at(self, row: int) -> None:
        if (model := self._models[row]) is not None:
            _point(model, self._state_of(row))

    def _state_of(self, row: int) -> dict[str, Tensor]:
        """Return views of a row's parameters and buffers, without the member dimension."""
        parameters = {name: view[0] for name, view in self._views(self.flat[row : row + 1]).items()}
        return parameters | {name: value[row] for name, value in self.buffers.items()}

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        columns = torch.split(flat, [shape.numel() for shape in self.shapes.values()], dim=1)
        return {
            name: column.view(len(flat), *shape)
            for (name, shape), column in zip(self.shapes.items(), columns, strict=True)
        }


def _split(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the trainable parameters, and everything else that is state."""
    trained: dict[str, Tensor] = {n: value for n, value in model.named_parameters() if value.requires_grad}
    frozen: dict[str, Tensor] = {n: value for n, value in model.named_parameters() if not value.requires_grad}
    return trained, frozen | dict(model.named_buffers())


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in tensors.items()}


def _cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _point(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Make these tensors a network's parameters and buffers."""
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, value in state.items():
        own[name].data = value
