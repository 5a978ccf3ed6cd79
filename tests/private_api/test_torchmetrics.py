import pytest
import torch
from torchmetrics import MeanMetric

from lightune.private_api.torchmetrics import restore_state, update_count


def test_a_metric_in_the_middle_of_an_epoch_is_continued():
    before, after = MeanMetric(), MeanMetric()
    before.update(torch.tensor(1.0))
    before.update(torch.tensor(3.0))
    assert update_count(before) == 2
    restore_state(after, update_count(before), before.metric_state)
    assert after.update_called  # without which it would warn that it is empty
    after.update(torch.tensor(5.0))
    assert after.compute().item() == pytest.approx(3.0)
