import math

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
)

from lightune.optim import one_cycle, resume_scheduler, warmup_cosine


def rates(make=warmup_cosine, *, steps, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(optimizer, **arguments)
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


@pytest.mark.parametrize(("steps", "ratio"), [(100, 0.3), (20, 0.25), (7, 0.5), (3, 0.4)])
def test_one_cycle_has_the_rates_of_torchs(steps, ratio):
    ours = rates(one_cycle, total_steps=steps, steps=steps, warmup_ratio=ratio, final_div_factor=100.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = OneCycleLR(
        optimizer, 0.5, total_steps=steps, pct_start=ratio, final_div_factor=100.0, cycle_momentum=False
    )
    expected = []
    for _ in range(steps):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        if len(expected) < steps:
            theirs.step()
    assert ours == pytest.approx(expected, rel=1e-6)


def test_a_longer_run_follows_the_longer_cycle_and_no_step_is_too_many():
    assert max(rates(one_cycle, total_steps=40, steps=50)) == pytest.approx(0.5)
    assert rates(one_cycle, total_steps=10, steps=15)[9:] == pytest.approx([0.5 / 25 / 1e4] * 6)
    assert rates(one_cycle, total_steps=10, warmup_ratio=0.0, steps=2)[0] == 0.5
    assert rates(one_cycle, total_steps=1, steps=1) == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"total_steps": 0}, r"total_steps must be > 0, got 0"),
        ({"total_steps": 5, "warmup_ratio": 1.0}, r"warmup_ratio must be in \[0, 1\), got 1.0"),
        ({"total_steps": 5, "div_factor": 0.0}, r"div_factor must be > 0, got 0.0"),
        ({"total_steps": 5, "final_div_factor": -1.0}, r"final_div_factor must be > 0, got -1.0"),
    ],
)
def test_a_cycle_out_of_range_is_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        rates(one_cycle, steps=1, **arguments)


OF_A_LENGTH = {
    "cosine": lambda optimizer, length: CosineAnnealingLR(optimizer, T_max=length),
    "polynomial": lambda optimizer, length: PolynomialLR(optimizer, total_iters=length, power=2.0),
    "restarts": lambda optimizer, length: CosineAnnealingWarmRestarts(optimizer, T_0=length),
    "torch's cycle": lambda optimizer, length: OneCycleLR(optimizer, 0.5, total_steps=length),
    "cycle": lambda optimizer, length: one_cycle(optimizer, total_steps=length),
    "warm-up": lambda optimizer, length: warmup_cosine(optimizer, total_steps=length),
    "no length": lambda optimizer, length: ExponentialLR(optimizer, 0.9),
}


def stepped(make, length, *, until, optimizer=None, state=None):
    """Return the rates of the steps up to one, and both states after it; begin with states if they are given."""
    own = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    scheduler = make(own, length)
    if state is not None:
        own.load_state_dict(optimizer)
        resume_scheduler(scheduler, state)
    found = []
    while scheduler.last_epoch < until:
        found.append(own.param_groups[0]["lr"])
        own.step()
        scheduler.step()
    return found, {"optimizer": own.state_dict(), "state": scheduler.state_dict()}


@pytest.mark.parametrize("before", [6, 20])
@pytest.mark.parametrize("make", OF_A_LENGTH.values(), ids=OF_A_LENGTH)
def test_what_goes_on_has_the_rates_of_its_own_length_to_the_bit(make, before):
    whole, _ = stepped(make, 20, until=19)
    _, states = stepped(make, before, until=6)
    assert stepped(make, 20, until=19, **states)[0] == whole[6:]


@pytest.mark.parametrize("make", OF_A_LENGTH.values(), ids=OF_A_LENGTH)
def test_what_was_resumed_is_not_moved_on_by_being_resumed_again(make):
    _, states = stepped(make, 6, until=6)
    own = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    scheduler = make(own, 20)
    own.load_state_dict(states["optimizer"])
    found = []
    for _ in range(2):
        resume_scheduler(scheduler, states["state"])
        found.append((scheduler.last_epoch, own.param_groups[0]["lr"]))
    assert found[0] == found[1]
    assert found[0][0] == 6


def test_a_plateau_goes_on_with_what_it_has_seen():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    first = ReduceLROnPlateau(optimizer, patience=1, factor=0.1)
    for figure in (1.0, 2.0):
        first.step(figure)
    again = ReduceLROnPlateau(optimizer, patience=1, factor=0.1)
    resume_scheduler(again, first.state_dict())
    again.step(3.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_a_curve_with_a_state_of_its_own_keeps_it():
    class Counting:
        def __init__(self):
            self.asked = 0

        def __call__(self, step):
            self.asked += 1
            return 1 / self.asked

    def make(optimizer, _):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, Counting())

    whole, _ = stepped(make, 9, until=9)
    _, states = stepped(make, 9, until=4)
    assert stepped(make, 9, until=9, **states)[0] == whole[4:]
