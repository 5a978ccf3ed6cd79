"""Torchvision's classifiers without their last layers."""

import pytest
import torch
import torchvision

from lightune.models import Torchvision

FEW = {
    "mobilenet_v3_small": 1024,
    "squeezenet1_1": 512,
    "shufflenet_v2_x0_5": 1024,
    "mnasnet0_5": 1280,
    "resnet18": 512,
}


def network(name="squeezenet1_1", shape=(3, 32, 32), outputs=5, **arguments):
    return Torchvision(shape, outputs, name, **arguments)


def saved(name, file, **changes):
    """Save weights of a network that are drawn at random; return them."""
    state = {**torchvision.models.get_model(name, weights=None).state_dict(), **changes}
    torch.save(state, file)
    return state


@pytest.mark.parametrize("name", FEW)
def test_the_last_layer_is_exchanged(name):
    made = network(name).eval()
    assert made.head[-1].in_features == FEW[name]
    assert made(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_features_are_those_of_torchvisions_network(tmp_path):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = network("shufflenet_v2_x0_5", weights=str(tmp_path / "w.pth")).eval()
    theirs.fc = torch.nn.Identity()
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(ours.features(x), theirs(x), rtol=0, atol=0)


def test_vgg_has_its_features_averaged_as_without_its_top():
    with torch.device("meta"):
        made = network("vgg11", shape=(3, 64, 64), units=[16])
    assert [type(layer).__name__ for layer in made.head] == ["Identity", "Linear", "ReLU", "Identity", "Linear"]
    assert made.head[1].in_features == 512
    assert not any(name.startswith("body.classifier") for name, _ in made.named_parameters())


def test_one_channel_is_shown_three_times_and_images_are_resized():
    made = network(shape=(1, 8, 8), image_size=32).eval()
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(made(x), made(x.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"name": "resnet19"}, "name must be one of torchvision's .* classifiers, such as resnet.*, got resnet19"),
        ({"shape": (2, 32, 32)}, "images of one or three channels, got samples of shape"),
        ({"shape": (3, 8, 8)}, r"images of 8 x 8 are too small for it .*model\.image_size=64$"),
        (
            {"name": "alexnet", "shape": (3, 8, 8), "image_size": 48},
            r"images of 48 x 48 are too small .*_size=96$",
        ),
        ({"weights": "away/w.pth"}, r"there is no file .*away/w\.pth; weights may also be null"),
        ({"freeze": "layer9"}, r"freeze must be none, features or a module of the body \(features, .*got layer9"),
        ({"unfreeze_at": 3}, "unfreeze_at is for what is frozen; add freeze=features"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, rule):
    with pytest.raises(ValueError, match=rule) as refusal:
        network(**arguments)
    assert "\n" not in str(refusal.value)


def test_weights_of_another_network_are_refused(tmp_path):
    saved("shufflenet_v2_x0_5", tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth holds weights of another network"):
        network("shufflenet_v2_x1_0", weights=str(tmp_path / "w.pth"))


def test_frozen_weights_are_shared_and_others_are_copies(tmp_path):
    saved("shufflenet_v2_x0_5", tmp_path / "w.pth")
    how = {"name": "shufflenet_v2_x0_5", "weights": str(tmp_path / "w.pth")}

    def first(made):
        return made.body.conv1[0].weight.data_ptr()

    assert first(network(**how, freeze="features")) == first(network(**how, freeze="features"))
    assert first(network(**how)) != first(network(**how))
