import numpy as np
import pytest
import torch
from torch import nn

from lightune.data.columns import Column
from lightune.data.image_files import ImageFormat, resized
from lightune.data.preparation import TablePreparation
from lightune.data.scaling import Affine
from lightune.data.sound_files import LogMel, SoundFormat, of_length
from lightune.inference.graph import graph_of
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor

SIDES = [(8, 8), (5, 9), (16, 16), (100, 37), (33, 16), (3, 200), (1, 1), (17, 15)]


def predictor_of(schema, preparation=None, raw_shape=(2,), networks=1):
    """Return what predicts each prepared sample by itself."""
    described = {
        "num_classes": 0,
        "num_targets": 2,
        "kind": "table",
        "input_shape": list(raw_shape),
        "raw_shape": list(raw_shape),
        "samples": schema,
    }
    preparation = preparation or Affine(torch.zeros(1), torch.ones(1))
    return Predictor([PredictingNetwork(preparation, nn.Identity(), lambda x: x)] * networks, described)


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [8, 16, 33])
def test_pictures_are_resized_as_those_of_the_training_bit_for_bit(resize, size):
    for number, sides in enumerate(SIDES):
        wanted = ImageFormat(size, resize, 1 + 2 * (number % 2))
        pixels = torch.randint(0, 256, (2, wanted.channels, *sides), generator=torch.manual_seed(number)).byte()
        graph, (given,) = graph_of(predictor_of({"files": {"kind": "image", **wanted.plain()}}))
        said = graph.front(pixels)
        assert torch.equal(said, torch.stack([resized(each, wanted) for each in pixels]).float()), sides
        assert given.shape == ("N", wanted.channels, "height", "width")


@pytest.mark.parametrize("crop", ["center", "start"])
@pytest.mark.parametrize("length", [1, 399, 400, 401, 402, 1003])
def test_sounds_are_cut_and_filled_as_those_of_the_training(crop, length):
    wanted = SoundFormat(4000, 0.1, crop, 8)
    graph, _ = graph_of(predictor_of({"files": {"kind": "audio", **wanted.plain()}}))
    waves = torch.rand(2, length, generator=torch.manual_seed(0)) - 0.5
    kept = torch.stack([torch.from_numpy(of_length(wave.numpy(), wanted).copy()) for wave in waves])
    assert torch.equal(graph.front(waves), LogMel(wanted)(kept))


def test_what_stands_for_missing_is_missing_and_columns_are_in_the_order_of_raw_rows():
    columns = [Column("c", "categorical", categories=("a", "b")), Column("n", "numeric"), Column("d", "ignored")]
    raw = torch.tensor([[1.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    preparation = TablePreparation.fit(raw, cardinalities=[2], scaling="none")
    schema = {"columns": [each.plain() for each in columns], "na_values": ["", "-999"]}
    graph, inputs = graph_of(predictor_of(schema, preparation))
    assert [(each.name, each.dtype, each.codes) for each in inputs] == [
        ("n", "float64", None),
        ("c", "string", {"a": 0, "b": 1, "": -1, "-999": -1}),
    ]
    numbers = torch.tensor([1.0, -999.0, np.nan, np.inf], dtype=torch.float64)
    (said,) = graph(numbers, torch.tensor([0, 1, -1, -2]))
    assert said.tolist() == [[1, 1, 0], [2, 0, 1], [2, 0, 0], [2, 0, 0]]


def test_the_mean_of_several_networks_is_predicted_and_they_cannot_share_prepared_samples():
    predictor = predictor_of({}, networks=2)
    first, second = Affine(torch.zeros(2), torch.ones(2)), Affine(torch.ones(2), torch.ones(2))
    predictor.networks = [PredictingNetwork(each, nn.Identity(), lambda x: x) for each in (first, second)]
    assert graph_of(predictor)[0](torch.tensor([[1.0, 2.0]]))[0].tolist() == [[0.5, 1.5]]
    with pytest.raises(ValueError, match="is for one network; the run has 2"):
        graph_of(predictor, prepares=False)


def test_prepared_samples_go_past_the_preparation():
    preparation = Affine(torch.full((2,), 5.0), torch.ones(2))
    given = torch.tensor([[1.0, 2.0]])
    assert graph_of(predictor_of({}, preparation))[0](given)[0].tolist() == [[-4, -3]]
    assert graph_of(predictor_of({}, preparation), prepares=False)[0](given)[0].tolist() == [[1, 2]]
