import pytest
import torch
from torch import nn

from lightune.models import ResNet

GREY = [1, 8, 8]


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def test_each_block_adds_its_convolutions_to_what_it_was_given():
    torch.manual_seed(0)
    model = ResNet(GREY, 3, channels=[2, 4], blocks=1, batch_norm=False, activation="tanh")
    x = torch.randn(5, *GREY)
    stem, _, plain, narrowed = model.convolutions
    assert (len(plain.shortcut), [type(m) for m in narrowed.shortcut]) == (0, [nn.Conv2d])
    first = torch.tanh(stem(x))
    one, _, two = plain.residual
    second = torch.tanh(first + two(torch.tanh(one(first))))
    one, _, two = narrowed.residual
    third = torch.tanh(narrowed.shortcut[0](second) + two(torch.tanh(one(second))))
    assert third.shape == (5, 4, 4, 4)
    torch.testing.assert_close(model(x), model.output(third.mean(dim=(2, 3))))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 9, 13), (1, 2, 2)])
def test_it_maps_images_of_any_size_to_the_outputs(shape):
    channels = [4, 6] if shape[1] < 4 else [4, 6, 5]
    assert ResNet(shape, 7, channels=channels)(torch.zeros(2, *shape)).shape == (2, 7)


def test_blocks_channels_and_strides_are_parameters():
    model = ResNet(GREY, 2, channels=[4, 6], blocks=[1, 3], strides=[2, 1])
    blocks = model.convolutions[3:]
    assert [(block.residual[0].out_channels, block.residual[0].stride[0]) for block in blocks] == [
        (4, 2),
        (6, 1),
        (6, 1),
        (6, 1),
    ]
    assert model.convolutions(torch.zeros(1, *GREY)).shape == (1, 6, 4, 4)


def test_without_normalization_convolutions_have_biases():
    assert all(each.bias is None for each in convolutions(ResNet(GREY, 2)))
    plain = ResNet(GREY, 2, batch_norm=False)
    assert all(each.bias is not None for each in convolutions(plain))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())


@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_parameter_learns(batch_norm):
    torch.manual_seed(0)
    model = ResNet(GREY, 2, batch_norm=batch_norm)
    model(torch.randn(8, *GREY)).square().sum().backward()
    assert [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0] == []


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = ResNet(GREY, 2, dropout=0.5, batch_norm=False), torch.randn(5, *GREY)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_what_cannot_be_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"takes images \(C, H, W\), got samples of shape \(30,\)"):
        ResNet([30], 2)
    with pytest.raises(ValueError, match=r"blocks must have an entry for each of channels=\[4, 6\], got \[1\]"):
        ResNet(GREY, 2, channels=[4, 6], blocks=[1])
    with pytest.raises(
        ValueError, match=r"strides must have an entry for each of channels=\[4, 6\], got \[1, 2, 2\]"
    ):
        ResNet(GREY, 2, channels=[4, 6], strides=[1, 2, 2])
    ResNet(GREY, 2, channels=[2] * 4)
    told = r"or channels have fewer entries: images of 8x8 shrink to nothing, got \[1, 2, 2, 2, 2\]"
    with pytest.raises(ValueError, match=told):
        ResNet(GREY, 2, channels=[2] * 5)
