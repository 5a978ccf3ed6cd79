import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lightune.inference.exported import as_onnx, as_program, run_onnx, run_program
from lightune.inference.graph import GraphInput, PredictingGraph
from lightune.inference.network import PredictingNetwork

ABOUT = {"version": "7"}


class Add(nn.Module):
    """Add columns, or give the sum as a logit of the first of two classes."""

    def forward(self, *columns):
        total = sum(column.float() for column in columns)
        return torch.stack([total, -total], dim=1)


class Branch(nn.Module):
    """Do what depends on values, which no exporter can trace."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def graph(front, *, has_classes):
    network = PredictingNetwork(nn.Identity(), nn.Identity(), lambda x: x.softmax(1) if has_classes else x)
    return PredictingGraph(front, [network], prepares=True, has_classes=has_classes)


COLUMNS = [
    GraphInput("predicted", "float64", ("N",), "numbers"),
    GraphInput("size (mm)", "string", ("N",), "sizes", {"big": 4, "": -1}),
]
BATCH = [np.array([1.0, -5.0, 0.0]), np.array(["big", "big", "odd"], dtype=object)]


def test_columns_keep_their_names_and_outputs_give_way():
    content = as_onnx(graph(Add(), has_classes=True), COLUMNS, ["yes", "nö"], ABOUT)
    model = onnx.load_from_string(content)
    assert [each.name for each in model.graph.input] == ["predicted", "size (mm)"]
    assert [each.name for each in model.graph.output] == ["predicted_", "probabilities"]
    assert (model.producer_name, model.producer_version) == ("lightune", "7")
    told = json.loads(model.metadata_props[0].value)
    assert (told["outputs"], told["classes"]) == (["predicted_", "probabilities"], ["yes", "nö"])
    (answer,) = run_onnx(content, [BATCH])
    assert answer.predicted.tolist() == ["yes", "nö", "nö"]  # 5, -1, and -2 of what is not known
    wanted = torch.tensor([[5.0, -5], [-1, 1], [-2, 2]]).softmax(1).numpy()
    assert answer.probabilities == pytest.approx(wanted, abs=1e-6)


def test_a_program_says_the_same():
    content = as_program(graph(Add(), has_classes=True), COLUMNS, ["yes", "no"], ABOUT)
    for size in (1, 2, 3):
        batch = [array[:size] for array in BATCH]
        (answer,) = run_program(content, [batch], COLUMNS, ["yes", "no"])
        assert answer.predicted.tolist() == ["yes", "no", "no"][:size]


@pytest.mark.parametrize("make", [as_onnx, as_program])
def test_what_cannot_be_exported_is_said_in_one_line(make):
    given = [GraphInput("x", "float32", ("N", 2), "samples")]
    with pytest.raises(
        ValueError, match=r"the network cannot be exported to (ONNX|torch.export) \(.+\)$"
    ) as refusal:
        make(graph(Branch(), has_classes=False), given, [], ABOUT)
    assert "\n" not in str(refusal.value)
