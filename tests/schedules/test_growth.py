import math

import pytest
import torch

from lightune.schedules import Growth, rate_left


def test_nothing_grows_by_itself():
    growth = Growth()
    assert [growth.batch_size(64, 1000, epoch) for epoch in (0, 10, 99)] == [64] * 3
    assert [growth.strength_factor(epoch) for epoch in (0, 10, 99)] == [1.0] * 3


def test_batches_double_from_an_epoch_on_until_they_hold_all_samples():
    growth = Growth(batch_growth=2, start=3, every=2)
    assert [growth.batch_size(64, 500, epoch) for epoch in range(10)] == [64] * 3 + [128] * 2 + [256] * 2 + [
        500
    ] * 3
    limited = Growth(batch_growth=2, start=3, every=2, max_batch_size=200)
    assert [limited.batch_size(64, 500, epoch) for epoch in (2, 3, 5, 7)] == [64, 128, 200, 200]
    assert limited.batch_size(64, 50, 9) == 64  # as it began


def test_strengths_grow_at_every_epoch_after_the_fiftieth():
    growth = Growth(regularization_growth=1.1, start=51, every=1)
    assert growth.strength_factor(50) == 1
    assert growth.strength_factor(51) == pytest.approx(1.1)
    assert growth.strength_factor(60) == pytest.approx(1.1**10)
    assert growth.strength_factor(10**6) == 1e6


def test_changes_come_at_milestones_in_whatever_order_they_are_written():
    growth = Growth(batch_growth=3, milestones=[5, 2])
    assert [growth.batch_size(10, 1000, epoch) for epoch in range(7)] == [10, 10, 30, 30, 30, 90, 90]


@pytest.mark.parametrize(
    ("rate", "size"), [(1.0, 64), (0.5, 128), (0.25, 256), (0.1, 640), (0.0, 1000), (2.0, 32)]
)
def test_a_doubling_that_follows_the_rate_keeps_rate_times_batch_size(rate, size):
    growth = Growth(batch_growth=2, start=1, follow="lr")
    assert growth.batch_size(64, 1000, 1, rate) == pytest.approx(size, abs=1)
    assert growth.batch_size(64, 1000, 0, rate) == 64


def test_a_batch_holds_one_sample_at_least():
    assert Growth(batch_growth=0.5, start=0, every=1).batch_size(8, 100, 50) == 1
    assert Growth(batch_growth=1e300, start=0, every=1).batch_size(8, 100, 50) == 100


def test_the_rate_is_that_of_the_first_group_over_what_it_began_with():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    assert rate_left([]) == rate_left([optimizer]) == 1
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)
    optimizer.step()
    schedule.step()
    assert math.isclose(rate_left([optimizer]), 0.1)
