"""What a prediction is due to, pixel by pixel."""

import torch
from torch import Tensor

from lightune.inference.network import PredictingNetwork

__all__ = ["gradient_times_input"]

_AT_ONCE = 64  # samples


def gradient_times_input(network: PredictingNetwork, raw: Tensor, *, of_classes: bool) -> tuple[Tensor, Tensor]:
    """Return how much each pixel speaks for what is predicted, by the gradient times the input.

    The input is the prepared one, so that zero, to which a scaled pixel is compared, is the mean of the training
    part where `data.scaling=standard`. The gradient is that of the output of the likeliest class before its
    probability; of a single output for two classes, of that output or its negative; of values, of their sum.

    Args:
        network: in evaluation form; its weights get no gradients.
        raw: images (N, C, H, W) as the data were read.
        of_classes: whether classes are predicted, else values.

    Returns:
        Attributions (N, H, W), summed over the channels, and predictions (N, K), both float32 on the CPU.

    Source: Shrikumar et al. 2017 (DeepLIFT), section 3.1; Ancona et al. 2018, section 2.
    """
    device = next(network.parameters()).device
    found, predictions = [], []
    for part in torch.split(raw, _AT_ONCE):
        with torch.no_grad():
            prepared = network.preparation(part.to(device))
        inputs = prepared.detach().requires_grad_()
        outputs = network.network(inputs)
        predicted = network.predicted(outputs).detach()
        (gradient,) = torch.autograd.grad(_explained(outputs, predicted, of_classes=of_classes).sum(), inputs)
        found.append((gradient * inputs.detach()).sum(dim=1).float().cpu())
        predictions.append(predicted.float().cpu())
    return torch.cat(found), torch.cat(predictions)


def _explained(outputs: Tensor, predicted: Tensor, *, of_classes: bool) -> Tensor:
    """Return of each sample the number that is explained, (N,)."""
    flat = outputs.flatten(1)
    if not of_classes:
        return flat.sum(dim=1)
    likeliest = predicted.argmax(dim=1, keepdim=True)
    if flat.shape[1] == 1:  # one output for two classes
        return (flat * (2 * likeliest - 1))[:, 0]
    return flat.gather(1, likeliest)[:, 0]
