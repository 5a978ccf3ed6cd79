import torch
from torch import nn

from lightune.data.scaling import Affine
from lightune.inference.network import PredictingNetwork, mean_prediction


def network(shift):
    preparation = Affine(torch.tensor([shift]), torch.tensor([2.0]))
    return PredictingNetwork(
        preparation, nn.Sequential(nn.Identity(), nn.Dropout(0.9)), lambda outputs: outputs * 10
    )


def test_samples_are_prepared_and_outputs_become_predictions():
    assert network(1.0)(torch.tensor([[5.0], [3.0]])).tolist() == [[20], [10]]


def test_several_networks_predict_their_mean_each_with_its_own_preparation():
    assert mean_prediction([network(1.0), network(3.0)], torch.tensor([[5.0]])).tolist() == [[15]]
