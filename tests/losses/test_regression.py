import pytest
import torch

from lightune.losses import MAE, MSE, Huber

OUTPUTS = torch.tensor([[1.0], [2.0], [-3.0], [0.0]])
TARGET = torch.tensor([[1.5], [2.0], [1.0], [-1.0]])  # off by 0.5, 0, 4 and 1


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (MSE(), (0.25 + 0 + 16 + 1) / 4),
        (MAE(), (0.5 + 0 + 4 + 1) / 4),
        (Huber(), (0.125 + 0 + 3.5 + 0.5) / 4),
        (Huber(delta=2.0), (0.125 + 0 + 2 * (4 - 1) + 0.5) / 4),
    ],
    ids=["mse", "mae", "huber", "huber with a delta"],
)
def test_a_loss_is_the_mean_over_samples(loss, expected):
    assert loss(OUTPUTS, TARGET).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [MSE(), MAE(), Huber()])
def test_each_loss_says_that_it_is_one_of_regression(loss):
    assert loss.problem == "regression"
