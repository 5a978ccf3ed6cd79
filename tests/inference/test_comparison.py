import numpy as np
import pytest
import torch
from torch import nn

from lightune.data.scaling import Affine
from lightune.inference.comparison import Trial, difference, made_up, trials_of
from lightune.inference.exported import Answer
from lightune.inference.graph import graph_of
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor

TRIAL = Trial([], torch.tensor([[0.75, 0.25], [0.5, 0.5]]))


def predictor(classes, schema=None, shape=(2,)):
    described = {
        "num_classes": len(classes),
        "num_targets": 0 if classes else 2,
        "kind": "table",
        "input_shape": shape,
        "samples": {"classes": list(classes)} if schema is None else schema,
    }
    identity = Affine(torch.tensor([[3.0]]), torch.tensor([[0.5]])) if schema else nn.Identity()
    return Predictor([PredictingNetwork(identity, nn.Identity(), lambda x: x)], described)


def test_the_largest_difference_of_a_probability_is_told():
    said = np.array([[0.75, 0.25], [0.625, 0.375]], dtype=np.float32)
    assert difference(predictor(["a", "b"]), TRIAL, Answer(np.array(["a", "a"]), said)) == 0.125


@pytest.mark.parametrize("names", [["b", "a"], ["a", "c"]])
def test_a_class_that_is_not_the_likeliest_counts_as_infinitely_wrong(names):
    answer = Answer(np.array(names), TRIAL.raw.numpy())
    assert difference(predictor(["a", "b"]), TRIAL, answer) == float("inf")


def test_values_are_compared_as_shares_of_the_largest():
    trial = Trial([], torch.tensor([[1000.0, 0.0]]))
    none = predictor([], {})
    assert difference(none, trial, Answer(np.array([[990.0, 0.0]]), None)) == pytest.approx(0.01)
    assert difference(none, trial, Answer(np.array([[np.nan, 0.0]]), None)) == float("inf")


def test_made_up_sounds_and_pictures_are_of_several_sizes():
    for files in (
        {"kind": "image", "size": 8, "resize": "pad", "channels": 1},
        {"kind": "audio", "sample_rate": 4000, "seconds": 0.1, "crop": "start", "mels": 4},
    ):
        schema = {"files": files}
        given = predictor(["a", "b"], schema)
        samples = made_up(given)
        trials = list(trials_of(given, graph_of(given)[1], samples))
        assert len({trial.arrays[0].shape for trial in trials}) == len(samples) == 3
        assert len({tuple(trial.raw.shape[1:]) for trial in trials}) == 1


def test_samples_for_a_network_without_preparation_are_prepared():
    given = predictor([], {"a": 1}, shape=(1, 2))
    (trial,) = trials_of(given, graph_of(given, prepares=False)[1], torch.tensor([[[4.0, 3.0]]]), prepares=False)
    assert trial.arrays[0].tolist() == [[[2, 0]]]
    assert trial.raw.tolist() == [[[4, 3]]]
