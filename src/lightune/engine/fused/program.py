"""One training step of M members as one flat list of tensor operations.

`vmap` defines a step of many members, for any network that it takes; `make_fx` records that once a shape, as
operations without autograd, hooks or Python modules; each step replays the recorded list. On small networks
this costs a fraction of running autograd through M networks, or through `vmap` itself.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from lightune.engine.fused.dropout import DropoutMasks, Site
from lightune.losses import ClassWeighted, CrossEntropy, weighted_mean
from lightune.private_api.torch import unsafe_view, without_examples
from lightune.runtime.compiler_folder import no_empty_compiler_folder

Tensors = dict[str, Tensor]
Recorded = dict[Any, tuple[fx.GraphModule, list[Site]]]
LossOf = Callable[[Tensor, Tensor], Tensor]
TrainingLossOf = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class Program:
    """Compute losses, outputs and gradients of M members on a batch of each.

    Args:
        masks: the network in training form, and its dropout.
        loss: maps outputs (B, K) and targets to a scalar mean; without state.
        label_smoothing: (M,) share of the target spread over all classes, for cross-entropy; None without.
        class_weights: (M, C) how much a sample of each class counts in training; None if all count the same.
        recorded: programs that were recorded for networks of this structure before; it is added to.
    """

    def __init__(
        self,
        masks: DropoutMasks,
        loss: nn.Module,
        *,
        label_smoothing: Tensor | None = None,
        class_weights: Tensor | None = None,
        recorded: Recorded | None = None,
    ) -> None:
        self._masks = masks
        self._model = masks.model
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self._judged = _judged_loss(loss)
        self._training_loss = _training_loss(loss, smoothed=label_smoothing is not None)
        if class_weights is not None:
            self._training_loss = _class_weighted(loss)
        self._recorded: Recorded = {} if recorded is None else recorded

    def train(
        self,
        parameters: Tensors,
        buffers: Tensors,
        x: Tensor,
        target: Tensor,
        members: Sequence[int] | None = None,
    ) -> tuple[Tensors, Tensor, Tensor, Tensors]:
        """Take one batch a member forward and backward.

        Args:
            parameters: name → (M, …), trainable.
            buffers: name → (M, …), everything else that is state; they are not changed.
            x: (M, B, …).
            target: (M, B, …), as the loss takes it.
            members: which these are, where they are not all.

        Returns:
            Gradients (name → (M, …)), losses (M,), outputs (M, B, K), and the buffers after the step.
        """
        key = self.record_train(parameters, buffers, x, target)
        graph, sites = self._recorded[key]
        with torch.no_grad():
            numbers = self._smoothing(x, members), self._weights(x, members)
            result: tuple[Tensors, Tensor, Tensor, Tensors] = graph(
                parameters, buffers, x, target, *numbers, self._masks.draw(sites, members)
            )
        return result

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the loss in evaluation form, a scalar, of one member's outputs (B, K) and targets (B, …)."""
        with torch.no_grad():
            return self._judged(outputs, target)

    def record_train(self, parameters: Tensors, buffers: Tensors, x: Tensor, target: Tensor) -> Any:
        """Record the step for batches of this shape, if it is not yet; return its key."""
        key = self._key("train", x, target)
        if key not in self._recorded:
            self._model.train()
            sites = self._sites(parameters, buffers, x)
            numbers = x.new_zeros(len(x)), self._weights(x, range(len(x)))
            arguments = (parameters, buffers, x, target, *numbers, self._masks.blank(sites, len(x)))
            self._recorded[key] = (record(self._step, arguments), sites)
        return key

    def evaluate(
        self,
        parameters: Tensors,
        buffers: Tensors,
        x: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return losses (M,) and outputs (M, B, K) in evaluation form: not weighted by class, not smoothed."""
        key = self._key("evaluate", x, target)
        if key not in self._recorded:
            self._model.eval()
            self._recorded[key] = (record(self._evaluation, (parameters, buffers, x, target)), [])
        with torch.no_grad():
            result: tuple[Tensor, Tensor] = self._recorded[key][0](parameters, buffers, x, target)
        return result

    def generator(self, row: int) -> torch.Generator:
        """Return the generator of a member's dropout masks."""
        return self._masks.generators[row]

    def keep(self, rows: list[int]) -> None:
        """Continue with these rows only; steps of the new width are recorded when they come."""
        self._masks.keep(rows)
        if self.label_smoothing is not None:
            self.label_smoothing = self.label_smoothing[rows]
        if self.class_weights is not None:
            self.class_weights = self.class_weights[rows]

    def accepts(self, model: nn.Module, label_smoothing: float) -> bool:
        """Return True if a member can be computed by this program as it is."""
        return self._masks.accepts(model) and (self.label_smoothing is not None or not label_smoothing)

    def add_members(
        self, row: int, model: nn.Module, seed: int, label_smoothing: float, class_weights: Tensor | None = None
    ) -> None:
        """Put a member into a row in the place of another."""
        self._masks.add_members(row, model, seed)
        if self.label_smoothing is not None:
            self.label_smoothing[row] = label_smoothing
        if self.class_weights is not None:
            self.class_weights[row] = 1.0 if class_weights is None else class_weights

    def _key(self, stage: str, x: Tensor, target: Tensor) -> Any:
        forms = self.label_smoothing is not None, self.class_weights is not None
        return (stage, x.shape, target.shape, x.dtype, x.device, forms, self._masks.names)

    def _sites(self, parameters: Tensors, buffers: Tensors, x: Tensor) -> list[Site]:
        own, state = _first(parameters), _clones(_first(buffers))
        with torch.no_grad():
            return self._masks.find(lambda _: self._forward(own, state, x[0]))

    def _smoothing(self, x: Tensor, members: Sequence[int] | None = None) -> Tensor:
        if self.label_smoothing is None:
            return x.new_zeros(len(x))
        return self.label_smoothing if members is None else self.label_smoothing[list(members)]

    def _weights(self, x: Tensor, members: Sequence[int] | None = None) -> Tensor:
        if self.class_weights is None:
            return x.new_zeros(len(x), 0)
        return self.class_weights if members is None else self.class_weights[list(members)]

    def _forward(self, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self._model, (parameters, buffers), (x,))
        return outputs

    def _step(
        self,
        parameters: Tensors,
        buffers: Tensors,
        x: Tensor,
        target: Tensor,
        smoothing: Tensor,
        weights: Tensor,
        masks: list[Tensor],
    ) -> tuple[Tensors, Tensor, Tensor, Tensors]:
        def loss_of_member(
            own: Tensors,
            state: Tensors,
            x: Tensor,
            target: Tensor,
            smoothing: Tensor,
            weights: Tensor,
            masks: list[Tensor],
        ) -> tuple[Tensor, tuple[Tensor, Tensors]]:
            after = _clones(state)  # what the forward pass does to its buffers is done to these
            self._masks.supply(masks)
            outputs = self._forward(own, after, x)
            return self._training_loss(outputs, target, smoothing, weights), (outputs, after)

        step = vmap(grad_and_value(loss_of_member, has_aux=True), randomness="error")
        gradients, (losses, (outputs, after)) = step(parameters, buffers, x, target, smoothing, weights, masks)
        return gradients, losses, outputs, after

    def _evaluation(
        self, parameters: Tensors, buffers: Tensors, x: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        def of_member(own: Tensors, state: Tensors, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self._forward(own, state, x)
            return self._judged(outputs, target), outputs

        result: tuple[Tensor, Tensor] = vmap(of_member, randomness="error")(parameters, buffers, x, target)
        return result


def record(function: Callable[..., Any], arguments: tuple[Any, ...]) -> fx.GraphModule:
    """Record the tensor operations of a function on arguments of these shapes, no-ops left out."""
    with without_examples(), no_empty_compiler_folder(), warnings.catch_warnings():
        # a kernel that vmap knows nothing of is called once a member, as it would be without it
        warnings.filterwarnings("ignore", "There is a performance drop")
        graph = make_fx(lambda *given: function(*given))(*arguments)
    for node in list(graph.graph.nodes):
        if _does_nothing(node):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _does_nothing(node: fx.Node) -> bool:
    aten = torch.ops.aten
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.target is aten.alias.default:
        return True
    if node.target is aten.mul.Scalar:
        return bool(node.args[1] == 1)
    if node.target in (aten.expand.default, aten.view.default, unsafe_view):
        before, after = node.args[0].meta.get("tensor_meta"), node.meta.get("tensor_meta")
        return before is not None and after is not None and before.shape == after.shape
    return False


def _first(stacked: Tensors) -> Tensors:
    return {name: value[0] for name, value in stacked.items()}


def _clones(tensors: Tensors) -> Tensors:
    return {name: value.clone() for name, value in tensors.items()}


def _judged_loss(loss: nn.Module) -> LossOf:
    if type(loss) is CrossEntropy:
        return lambda outputs, target: _negative_log_likelihood(outputs.log_softmax(dim=1), target)
    return copy.deepcopy(loss).eval() if isinstance(loss, ClassWeighted) else loss


def _training_loss(loss: nn.Module, *, smoothed: bool) -> TrainingLossOf:
    if smoothed:
        return lambda outputs, target, smoothing, _: _smoothed_cross_entropy(outputs, target, smoothing)
    plain = _judged_loss(loss)
    return lambda outputs, target, *_: plain(outputs, target)


def _class_weighted(loss: nn.Module) -> TrainingLossOf:
    if type(loss) is CrossEntropy:
        return lambda outputs, target, smoothing, weights: weighted_mean(
            _cross_entropies(outputs, target, smoothing), target, weights
        )
    if not isinstance(loss, ClassWeighted):
        raise ValueError(f"{type(loss).__name__} knows no weights of classes")
    return lambda outputs, target, _, weights: weighted_mean(loss.of_each(outputs, target), target, weights)


def _cross_entropies(outputs: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:
    """Return the cross-entropy (B,) of samples, with a smoothing that is a tensor."""
    log_probabilities = functional.log_softmax(outputs, dim=1)
    likelihood = -log_probabilities.gather(1, target.unsqueeze(1)).squeeze(1)
    return (1 - smoothing) * likelihood - smoothing * log_probabilities.mean(dim=1)


def _smoothed_cross_entropy(outputs: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:
    """Cross-entropy with a smoothing that is a tensor, which torch's own does not take (Szegedy et al. 2016)."""
    log_probabilities = functional.log_softmax(outputs, dim=1)
    likelihood = _negative_log_likelihood(log_probabilities, target)
    return (1 - smoothing) * likelihood - smoothing * log_probabilities.mean()


def _negative_log_likelihood(log_probabilities: Tensor, target: Tensor) -> Tensor:
    return -log_probabilities.gather(1, target.unsqueeze(1)).mean()
