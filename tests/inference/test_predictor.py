import numpy as np
import pytest
import torch
from torch import nn

from lightune.data.scaling import Affine
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor

IDENTITY = Affine(torch.zeros(2), torch.ones(2))


class Counted(nn.Module):
    """Answer each sample with itself; no more than some fit into memory."""

    def __init__(self, most):
        super().__init__()
        self.most, self.sizes = most, []

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("too many")
        self.sizes.append(len(x))
        return x


def predictor(network=None, classes=("no", "yes"), **arguments):
    described = {
        "num_classes": len(classes),
        "num_targets": 0 if classes else 2,
        "kind": "table",
        "input_shape": [2],
        "samples": {"classes": list(classes)} if classes else {},
    }
    return Predictor([PredictingNetwork(IDENTITY, network or nn.Identity(), lambda x: x)], described, **arguments)


def test_classes_are_predicted_by_name():
    samples = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert predictor().predict(samples).tolist() == ["no", "yes"]
    assert np.array_equal(predictor().predict_proba(samples), samples)


def test_values_have_no_probabilities():
    samples = torch.tensor([[1.0, 2.0]])
    assert predictor(classes=()).predict(samples).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="have no probabilities"):
        predictor(classes=()).predict_proba(samples)


def test_a_batch_that_memory_does_not_hold_is_halved():
    network = Counted(most=3)
    samples = torch.arange(20.0).reshape(10, 2)
    assert np.array_equal(predictor(network, batch_size=8).predict_proba(samples), samples.numpy())
    assert network.sizes == [2] * 5
    with pytest.raises(torch.OutOfMemoryError):
        predictor(Counted(most=0)).predict(samples)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"must have shape \(N, 2\), got \(4, 3\)"):
        predictor().predict(np.zeros((4, 3)))


def test_no_samples_have_no_predictions():
    assert predictor().predict_proba(np.zeros((0, 2))).shape == (0, 2)
