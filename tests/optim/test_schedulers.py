import math

import pytest
import torch

from lightune.optim import warmup_cosine


def rates(*, steps, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = warmup_cosine(optimizer, **arguments)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_the_rate_rises_linearly_then_falls_along_half_a_cosine():
    rise = [0.5 * step / 5 for step in (1, 2, 3, 4)]
    fall = [0.5 * 0.5 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert rates(total_steps=20, warmup_ratio=0.2, steps=20) == pytest.approx(rise + fall)


def test_the_first_step_after_the_rise_is_at_the_peak_and_no_step_is_wasted_at_zero():
    found = rates(total_steps=100, warmup_ratio=0.1, steps=100)
    assert found[10] == max(found) == 0.5
    assert min(found) > 0


def test_after_the_last_step_the_rate_is_zero_and_stays_there():
    assert rates(total_steps=10, warmup_ratio=0.1, steps=13)[10:] == pytest.approx([0, 0, 0])


def test_without_warmup_it_begins_at_the_peak():
    assert rates(total_steps=4, warmup_ratio=0.0, steps=3) == pytest.approx(
        [0.5, 0.25 * (1 + math.cos(math.pi / 4)), 0.25]
    )


def test_one_step_is_enough_of_a_run():
    assert rates(total_steps=1, steps=1) == [0.5]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"total_steps": 0}, r"total_steps must be > 0, got 0"),
        ({"total_steps": 5, "warmup_ratio": 1.0}, r"warmup_ratio must be in \[0, 1\), got 1.0"),
        ({"total_steps": 5, "warmup_ratio": -0.1}, r"warmup_ratio must be in \[0, 1\), got -0.1"),
    ],
)
def test_values_out_of_range_are_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        rates(steps=1, **arguments)
