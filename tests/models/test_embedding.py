import torch

from lightune.models import MLP
from lightune.models.embedding import CategoryEmbedding


def test_codes_become_vectors_behind_the_numbers():
    embedding = CategoryEmbedding([3, 200], width=4)
    x = torch.tensor([[0.5, -1, 2, 199], [0.5, -1, 0, 0]])
    out = embedding(x)
    assert out.shape == (2, embedding.width) == (2, 2 + 3 + 31)
    assert torch.equal(out[:, :2], x[:, :2])
    assert torch.equal(out[0, 2:5], embedding.tables[0].weight[2])
    assert torch.equal(out[1, 5:], embedding.tables[1].weight[0])


def test_vectors_are_learnt():
    network = MLP((3,), 2, cardinalities=[5])
    network(torch.tensor([[0.1, 0.2, 4.0]])).sum().backward()
    gradient = network.flatten.tables[0].weight.grad
    assert gradient[4].abs().sum() > 0
    assert gradient[:4].abs().sum() == 0
