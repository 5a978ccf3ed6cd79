import pytest
import torch
from torch import nn
from torch.nn import functional

from lightune.models import CNN


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13)])
def test_it_maps_images_of_any_size_to_the_outputs(shape, pooling):
    model = CNN(shape, 5, channels=[4, 6], units=7, pooling=pooling)
    assert model(torch.zeros(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [("max", functional.max_pool2d), ("average", functional.avg_pool2d), ("none", lambda x, size: x)],
)
def test_a_layer_convolves_activates_and_pools(pooling, pool):
    torch.manual_seed(0)
    model = CNN([1, 6, 6], 3, channels=[2], units=4, activation="tanh", pooling=pooling)
    x = torch.randn(2, 1, 6, 6)
    filters, hidden, output = model.convolutions[0], model.head[1], model.head[4]
    features = pool(torch.tanh(functional.conv2d(x, filters.weight, filters.bias, padding=1)), 2).flatten(1)
    torch.testing.assert_close(model(x), output(torch.tanh(hidden(features))))


def test_each_entry_of_channels_is_a_convolution_of_so_many_filters():
    model = CNN([3, 16, 16], 2, channels=[4, 8, 5], kernel_size=5)
    found = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert [(module.in_channels, module.out_channels, module.kernel_size) for module in found] == [
        (3, 4, (5, 5)),
        (4, 8, (5, 5)),
        (8, 5, (5, 5)),
    ]


def test_pooling_halves_the_image_after_each_convolution():
    assert CNN([1, 28, 28], 10, channels=[2, 3], pooling="max").head[1].in_features == 3 * 7 * 7
    assert CNN([1, 28, 28], 10, channels=[2, 3], pooling="none").head[1].in_features == 3 * 28 * 28


def test_batch_norm_follows_each_convolution():
    kinds = [type(module) for module in CNN([1, 8, 8], 2, channels=[2, 3], batch_norm=True).convolutions]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d] * 2


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = CNN([1, 8, 8], 2, channels=[4], units=64, dropout=0.5), torch.randn(3, 1, 8, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_a_table_is_refused():
    with pytest.raises(ValueError, match=r"a CNN takes images \(C, H, W\), got samples of shape \(30,\)"):
        CNN([30], 2)


def test_pooling_that_shrinks_the_image_to_nothing_is_refused():
    CNN([1, 8, 8], 2, channels=[2, 2, 2])
    with pytest.raises(
        ValueError, match=r"fewer than 4 entries with pooling=max: images of 8x8 shrink to nothing"
    ):
        CNN([1, 8, 8], 2, channels=[2, 2, 2, 2])
    CNN([1, 8, 8], 2, channels=[2, 2, 2, 2], pooling="none")
