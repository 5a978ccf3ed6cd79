"""One step of a group: rows in blocks, rows that are kept, rows that others take."""

import torch
from fused_members import Spec, Values

from lightune.engine.fused.data import StackedData
from lightune.engine.fused.schedules import Schedule, Schedules
from lightune.engine.fused.step import Computation, StackedStep
from lightune.losses import Huber
from lightune.metrics import RegressionMetrics
from lightune.models import MLP
from lightune.regularization import Regularization

SPECS = [Spec(seed, regularization=Regularization(l2=0.1 * seed, gradient_clip=1.0)) for seed in range(4)]


def step_of(specs, block_width=None):
    members = [spec.member() for spec in specs]
    data = StackedData([member.data for member in members], dtype=torch.float64)
    schedules = Schedules([Schedule(member.task, total_steps=20) for member in members])
    return StackedStep(members, data, schedules, Computation(torch.float64, "cpu", block_width)), data, members


def first_batch(data):
    return next(iter(data.train()))


def test_the_width_of_blocks_changes_nothing():
    losses, weights = [], []
    for block_width in (None, 1, 3):
        step, data, _ = step_of(SPECS, block_width)
        losses.append(torch.stack([step.train(first_batch(data)) for _ in range(3)]))
        weights.append(step.stack.flat)
    for other in (1, 2):
        torch.testing.assert_close(losses[other], losses[0])
        torch.testing.assert_close(weights[other], weights[0])


def test_losses_in_evaluation_form_change_nothing():
    step, data, _ = step_of(SPECS)
    before = step.stack.flat.clone()
    losses = step.losses(first_batch(data))
    assert losses.shape == (4,)
    assert torch.equal(step.stack.flat, before)
    step.train(first_batch(data))
    assert len(step.read("train")["train/loss"]) == 4


def test_rows_that_are_kept_go_on_as_they_were():
    step, data, members = step_of(SPECS)
    step.train(first_batch(data))
    step.read("train")
    step.keep([3, 1], [members[3], members[1]])
    data.keep([3, 1])
    whole, all_data, _ = step_of(SPECS)
    for _ in range(2):
        whole.train(first_batch(all_data))
    step.train(first_batch(data))
    assert step.width == 2
    torch.testing.assert_close(step.stack.flat, whole.stack.flat[[3, 1]])


def test_a_member_that_takes_a_row_has_its_own_strengths():
    step, data, members = step_of(SPECS[:2])
    new = SPECS[3].member()
    members[0] = new
    data.add_members({0: new.data})
    step.add_members({0: Schedule(new.task, total_steps=20)}, members)
    alone, own_data, _ = step_of([SPECS[3], SPECS[1]])
    step.train(first_batch(data))
    alone.train(first_batch(own_data))
    torch.testing.assert_close(step.stack.flat, alone.stack.flat)


def test_a_row_with_a_weight_that_is_not_finite_is_found():
    step, _, _ = step_of(SPECS)
    step.stack.flat[2, 5] = torch.inf
    assert step.finite_rows() == [True, True, False, True]


def test_predictions_are_in_the_units_of_each_members_targets():
    specs = [
        Spec(
            seed,
            data=Values,
            loss=Huber,
            metrics=RegressionMetrics(),
            classes=0,
            model=lambda: MLP((1, 6, 6), 1, layers=1, units=8),
        )
        for seed in (0, 2)
    ]
    step, data, members = step_of(specs)
    for batch in data.val():
        step.validate(batch)
    measured = step.read("val")["val/mae"]
    for member, got in zip(members, measured, strict=True):
        x, target = next(iter(member.data.val_dataloader()))
        with torch.no_grad():
            predicted = member.task.predictions(member.task.model.eval()(x.double()))
        torch.testing.assert_close((predicted - target).abs().mean().item(), got, rtol=1e-5, atol=0)
