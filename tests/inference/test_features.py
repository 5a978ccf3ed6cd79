import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import nn

from lightune.inference.features import Neighbours, features_of
from lightune.inference.network import PredictingNetwork
from lightune.models import MLP


def softmax(outputs):
    return outputs.softmax(dim=1)


def test_features_are_what_the_last_linear_layer_is_given():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    predicting = PredictingNetwork(nn.Identity(), network, softmax)
    raw = torch.randn(5, 4)
    assert torch.equal(features_of(predicting, raw), network[1](network[0](raw)).detach())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_network_without_one_has_its_predictions():
    predicting = PredictingNetwork(nn.Identity(), nn.Conv1d(1, 2, 3), lambda outputs: outputs)
    assert features_of(predicting, torch.randn(5, 1, 4)).shape == (5, 4)


def test_distances_are_those_of_the_nearest_few_without_the_sample_itself():
    known = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    own = Neighbours(known).own_distances()
    usual = torch.tensor([3.0, 2.2, 1.8, 1.8, 1.8, 2.2, 3.0])  # means of the nearest five
    assert torch.allclose(own, usual / 2.2)
    assert torch.allclose(Neighbours(known).distances(torch.tensor([[16.0]])), torch.tensor([12.0 / 2.2]))


@pytest.mark.parametrize("seed", [0, 1])
def test_classes_that_training_never_saw_lie_far_away(seed):
    """Digits without two of them: AUROC of the distance, against that of the confidence."""
    inputs, labels = (torch.tensor(each) for each in load_digits(return_X_y=True))
    inputs = (inputs.float().reshape(-1, 1, 8, 8) - 4.9) / 6.0
    chance = torch.Generator().manual_seed(seed)
    known = torch.randperm(10, generator=chance)[:8].sort().values
    is_known = torch.isin(labels, known)
    rows = is_known.nonzero().flatten()
    rows = rows[torch.randperm(len(rows), generator=chance)]
    train, val, test = rows[:1000], rows[1000:1200], rows[1200:]
    torch.manual_seed(seed)
    network = MLP((1, 8, 8), 8, layers=2, units=64)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(8):
        for batch in train[torch.randperm(len(train), generator=chance)].split(50):
            wanted = torch.searchsorted(known, labels[batch])
            loss = nn.functional.cross_entropy(network(inputs[batch]), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    predicting = PredictingNetwork(nn.Identity(), network, softmax)
    judged = inputs[torch.cat([test, (~is_known).nonzero().flatten()])]
    is_new = [0] * len(test) + [1] * int((~is_known).sum())
    neighbours = Neighbours(features_of(predicting, inputs[val]))
    by_distance = roc_auc_score(is_new, neighbours.distances(features_of(predicting, judged)))
    confidence = predicting(judged).detach().amax(dim=1)
    assert by_distance > 0.85
    assert by_distance > roc_auc_score(is_new, -confidence)
