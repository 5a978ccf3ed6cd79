import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lightune.data.image_files import ImageFormat
from lightune.data.scaling import Affine
from lightune.data.text_tokens import TextPreparation
from lightune.inference.network import PredictingNetwork
from lightune.inference.predictor import Predictor
from lightune.inference.table_input import Tally

IDENTITY = Affine(torch.zeros(2), torch.ones(2))


def predicted_of(predictor, *given, **how):
    """Yield names and predictions of a file."""
    for names, raw in predictor.read_file(*given, **how):
        yield names, predictor.of_raw(raw)


class Counted(nn.Module):
    """Answer each sample with itself; no more than some fit into memory."""

    def __init__(self, most):
        super().__init__()
        self.most, self.sizes = most, []

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("too many")
        self.sizes.append(len(x))
        return x


def predictor(network=None, classes=("no", "yes"), **arguments):
    described = {
        "num_classes": len(classes),
        "num_targets": 0 if classes else 2,
        "kind": "table",
        "input_shape": [2],
        "samples": {"classes": list(classes)} if classes else {},
    }
    return Predictor([PredictingNetwork(IDENTITY, network or nn.Identity(), lambda x: x)], described, **arguments)


def test_classes_are_predicted_by_name():
    samples = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert predictor().predict(samples).tolist() == ["no", "yes"]
    assert np.array_equal(predictor().predict_proba(samples), samples)


def test_a_predictor_shows_what_it_predicts():
    assert repr(predictor()).endswith(": 2 classes, networks 1>")
    assert repr(predictor(classes=())).endswith(": 2 values, networks 1>")


def test_values_have_no_probabilities():
    samples = torch.tensor([[1.0, 2.0]])
    assert predictor(classes=()).predict(samples).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="have no probabilities"):
        predictor(classes=()).predict_proba(samples)


def test_a_batch_that_memory_does_not_hold_is_halved():
    network = Counted(most=3)
    samples = torch.arange(20.0).reshape(10, 2)
    assert np.array_equal(predictor(network, batch_size=8).predict_proba(samples), samples.numpy())
    assert network.sizes == [2] * 5
    with pytest.raises(torch.OutOfMemoryError):
        predictor(Counted(most=0)).predict(samples)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"must have shape \(N, 2\), got \(4, 3\)"):
        predictor().predict(np.zeros((4, 3)))


def reads(samples, shape, preparation):
    """Return a predictor whose network answers with the sums of two halves of what it is given."""
    described = {"num_classes": 2, "num_targets": 0, "kind": "any", "input_shape": shape, "samples": samples}

    class Halves(nn.Module):
        def forward(self, x):
            return torch.stack([half.sum(dim=1) for half in x.float().flatten(1).chunk(2, dim=1)], dim=1)

    return Predictor([PredictingNetwork(preparation, Halves(), lambda x: x)], described)


def test_pictures_are_predicted_from_files_from_pictures_and_as_they_were_read(tmp_path):
    whole = Affine(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    judge = reads({"files": {"kind": "image", **ImageFormat(2, channels=1).plain()}}, [1, 2, 2], whole)
    pixels = np.full((2, 2), 9, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for samples in (
        [tmp_path / "a.png"],
        [pixels[None].repeat(2, 1).repeat(2, 2)],
        pixels[None, None].astype(float),
    ):
        assert judge.predict_proba(samples).tolist() == [[18, 18]]
    assert judge.counted == "file"
    ((names, predicted),) = predicted_of(judge, tmp_path, Tally())
    assert (names, predicted.tolist()) == ([str(tmp_path / "a.png")], [[18, 18]])
    (tmp_path / "b.png").touch()
    with pytest.raises(ValueError, match=r"b\.png is empty"):
        list(predicted_of(judge, tmp_path, Tally()))
    assert [names for names, _ in predicted_of(judge, tmp_path, Tally(), skip_unreadable=True)] == [names]


def test_texts_are_predicted_from_texts_only(tmp_path):
    described = {"text": "t", "tokens": "word", "lowercase": True, "max_length": 2, "vocabulary": ["a", "b"]}
    judge = reads(described, [2], TextPreparation(torch.tensor([2, 3])))
    assert judge.predict_proba(["a b", "b new"]).tolist() == [[2, 3], [3, 1]]
    assert judge.predict_proba([]).shape == (0, 2)
    assert judge.counted == "row"
    with pytest.raises(ValueError, match="must be a list of texts, got a"):
        judge.predict(torch.zeros(1, 2))
    (tmp_path / "t.csv").write_text("t\na b\n")
    assert [predicted.tolist() for _, predicted in predicted_of(judge, tmp_path / "t.csv", Tally())] == [[[2, 3]]]


def test_no_samples_have_no_predictions():
    assert predictor().predict_proba(np.zeros((0, 2))).shape == (0, 2)
