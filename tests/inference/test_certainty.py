import json

import pytest
import torch
from torch import nn

from lightune.inference.certainty import Confidence, Distance, Intervals, Sets, gathered_features
from lightune.inference.network import PredictingNetwork


def probabilities(rows, seed, classes=3):
    chance = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (rows,), generator=chance)
    logits = torch.randn(rows, classes, generator=chance)
    logits[torch.arange(rows), targets] += 2
    return logits.softmax(dim=1), targets


RAW = torch.empty(0)


def test_sets_are_lists_of_names_and_hold_the_truth_as_often_as_asked():
    sets = Sets([probabilities(400, 0), probabilities(400, 1)], 0.9, ["a", 'b"', "ü"])
    predicted, targets = probabilities(2000, 2)
    lists = [json.loads(text) for (text,) in sets.cells(RAW, predicted)]
    assert sets.header == ["set"]
    hits = [["a", 'b"', "ü"][target] in names for names, target in zip(lists, targets.tolist(), strict=True)]
    assert sum(hits) / 2000 == pytest.approx(0.9, abs=0.04)
    assert {len(names) for names in lists} >= {1, 2}


def test_intervals_have_two_columns_a_value():
    validated = [(torch.zeros(99, 2), torch.arange(1.0, 100).unsqueeze(1) * torch.tensor([1.0, 10.0]))]
    intervals = Intervals(validated, 0.9)
    assert intervals.header == ["lower_0", "upper_0", "lower_1", "upper_1"]
    assert list(intervals.cells(RAW, torch.tensor([[5.0, 0.0]]))) == [["-85", "95", "-900", "900"]]
    assert Intervals([(torch.zeros(99, 1), torch.ones(99, 1))], 0.9).header == ["lower", "upper"]


def test_too_few_samples_for_a_rate_are_told_the_least_rate():
    with pytest.raises(ValueError, match=r"^a rate of 0\.05 takes more .* the 16 .* for --reject-rate 0\.059$"):
        Confidence([probabilities(16, 0)], 0.05)
    assert Confidence([probabilities(16, 0)], 0.059).rejected == 0


def test_of_ordinary_samples_as_many_are_rejected_as_asked():
    rejection = Confidence([probabilities(1000, 0)], 0.1)
    cells = list(rejection.cells(RAW, probabilities(2000, 1)[0]))
    assert rejection.rejected == sum(rejected == "true" for _, rejected in cells)
    assert rejection.rejected / 2000 == pytest.approx(0.1, abs=0.035)
    sure, unsure = rejection.cells(RAW, torch.tensor([[1.0, 0.0, 0.0], [0.34, 0.33, 0.33]]))
    assert (sure, unsure) == (["0", "false"], ["0.66", "true"])


def test_of_samples_from_the_same_source_few_are_far_and_those_from_another_are():
    torch.manual_seed(0)
    networks = [PredictingNetwork(nn.Identity(), nn.Linear(4, 2), lambda outputs: outputs) for _ in range(2)]
    known = [gathered_features(network, torch.randn(500, 4)) for network in networks]
    rejection = Distance(networks, known, 0.1)
    assert rejection.header == ["outlier", "rejected"]
    list(rejection.cells(torch.randn(2000, 4), RAW))
    assert rejection.rejected / 2000 == pytest.approx(0.1, abs=0.04)
    assert [rejected for _, rejected in rejection.cells(torch.full((3, 4), 9.0), RAW)] == ["true"] * 3
