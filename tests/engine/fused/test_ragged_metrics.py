"""Members whose parts differ in size are measured as each is by itself."""

import pytest
import torch

from lightune.engine.fused.metrics import StackedMeter
from lightune.engine.fused.ragged_metrics import RaggedMeter, meter_of
from lightune.metrics import ClassificationMetrics
from lightune.metrics.meter import StageMeter

SIZES = [7, 5, 7]


def batch_of(size, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(size, 3, generator=random).softmax(dim=1), torch.arange(size) % 3


@pytest.mark.parametrize("kept", [[0, 1, 2], [1, 2]])
def test_figures_are_those_of_each_member(kept):
    meter = meter_of(ClassificationMetrics(3), "val", SIZES)
    assert type(meter) is RaggedMeter
    meter.keep(kept)
    sizes = [SIZES[row] for row in kept]
    for length in dict.fromkeys(sizes):
        rows = [row for row, size in enumerate(sizes) if size == length]
        predictions, targets = zip(*(batch_of(length, row) for row in rows), strict=True)
        losses = torch.tensor([float(row) for row in rows])
        meter.add(losses, torch.stack(predictions), torch.stack(targets), rows)
    measured = meter.read()
    for row, size in enumerate(sizes):
        alone = StageMeter(ClassificationMetrics(3), "val")
        alone.add(torch.tensor(float(row)), *batch_of(size, row))
        for name, value in alone.read().items():
            assert measured[name][row].item() == pytest.approx(value.item(), rel=1e-5)


def test_members_of_one_size_need_no_parts():
    assert type(meter_of(ClassificationMetrics(3), "val", [4, 4])) is StackedMeter
