import pytest
import torch
from torch import nn
from torch.nn import functional

from lightune.models import AudioCNN


@pytest.mark.parametrize("shape", [(1, 8, 11), (1, 64, 101), (2, 9, 8)])
def test_it_maps_spectrograms_of_any_size_to_the_outputs(shape):
    assert AudioCNN(shape, 5, channels=[4, 6, 3])(torch.zeros(2, *shape)).shape == (2, 5)


def test_mean_and_maximum_of_the_features_are_judged():
    torch.manual_seed(0)
    model, x = AudioCNN([1, 8, 10], 3, channels=[2], activation="tanh").eval(), torch.randn(2, 1, 8, 10)
    filters, output = model.convolutions[0], model.output
    features = torch.tanh(functional.conv2d(x, filters.weight, filters.bias, padding=1) / (1 + 1e-5) ** 0.5)
    pooled = functional.max_pool2d(features, 2).flatten(2)
    torch.testing.assert_close(model(x), output(torch.cat([pooled.mean(2), pooled.amax(2)], dim=1)))


def test_each_entry_of_channels_is_a_normalized_convolution():
    kinds = [type(module) for module in AudioCNN([1, 8, 8], 2, channels=[2, 3]).convolutions]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d] * 2


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = AudioCNN([1, 8, 8], 2, channels=[64], dropout=0.5), torch.randn(3, 1, 8, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_what_is_no_spectrogram_or_too_small_is_refused():
    with pytest.raises(ValueError, match=r"takes spectrograms \(1, mels, frames\), got \(30,\)"):
        AudioCNN([30], 2)
    AudioCNN([1, 8, 100], 2, channels=[1, 1, 1])
    with pytest.raises(ValueError, match=r"channels must have fewer entries: 8x100 shrink to nothing, got \[1, 1"):
        AudioCNN([1, 8, 100], 2, channels=[1, 1, 1, 1])
