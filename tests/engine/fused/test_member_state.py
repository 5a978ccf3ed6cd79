"""What is kept of a member at one moment: it loads into a task, and a training resumes from it in any group."""

import copy
from functools import partial

import pytest
import torch
from fused_members import Spec, train_to_the_end
from torch import optim
from torch.optim.lr_scheduler import StepLR

from lightune.engine.fused.loop import Computation, FusedLoop, LoopHooks
from lightune.models import MLP
from lightune.regularization import Regularization

DOUBLE = Computation(torch.float64)
SPECS = [
    Spec(
        seed,
        model=partial(MLP, (1, 6, 6), 3, layers=1, units=8, dropout=0.3, batch_norm=True),
        optimizer=partial(optim.AdamW, lr=0.01 * (seed + 1)),
        scheduler=partial(StepLR, step_size=1, gamma=0.5),
        regularization=Regularization(l2=1e-3),
    )
    for seed in range(3)
]


def loop_of(specs, **hooks):
    members = [spec.member() for spec in specs]
    return FusedLoop(members, max_epochs=4, hooks=LoopHooks(**hooks), computation=DOUBLE), members


def checkpoint_of(loop, member):
    """Return what a checkpoint of a member has, as far as the loop reads it."""
    state = copy.deepcopy(loop.snapshot(member))
    schedule = loop.schedule_of(member)
    loop.fill_optimizer(member, state)
    optimizer = copy.deepcopy(schedule.optimizer.state_dict())
    schedule.optimizer.state.clear()
    return {
        "state_dict": member.task.state_dict() | {f"model.{name}": value for name, value in state.weights.items()},
        "optimizer_states": [optimizer],
        "lr_schedulers": [state.schedule],
        "epoch": member.epochs,
        "global_step": member.steps,
        "random_state": [{"torch": state.random}],
    }


def test_a_snapshot_loads_into_a_task_and_gives_the_loss_that_was_measured():
    measured, states = {}, {}

    def note(end):
        if end.epoch == 1:
            measured[end.member], states[end.member] = end.measures["val/loss"], loop.snapshot(end.member)
        return False

    loop, members = loop_of(SPECS, on_epoch_end=note)
    train_to_the_end(loop)  # what comes after does not change a snapshot
    for spec, member in zip(SPECS, members, strict=True):
        fresh = spec.member()
        fresh.task.double().model.load_state_dict(states[member].weights)
        fresh.task.eval()
        x, target = next(iter(fresh.data.val_dataloader()))
        with torch.no_grad():
            loss = fresh.task.loss(fresh.task(x.double()), target)
        assert loss.item() == pytest.approx(measured[member], rel=1e-9)


def test_an_optimizer_that_is_filled_has_the_state_that_training_alone_leaves(alone):
    loop, members = loop_of(SPECS)
    train_to_the_end(loop)
    for member, (_, apart) in zip(members, alone(SPECS, 4), strict=True):
        loop.fill_optimizer(member)
        ours = loop.schedule_of(member).optimizer.state
        theirs = apart.task.trainer.optimizers[0].state
        assert len(ours) == len(theirs) > 0
        for one, two in zip(ours.values(), theirs.values(), strict=True):
            for name, value in two.items():
                torch.testing.assert_close(one[name].to(value), value, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("joins", [False, True], ids=["from the start", "in a vacant row"])
def test_members_resume_from_their_checkpoints_as_if_never_interrupted(joins):
    whole, undisturbed = loop_of(SPECS)
    train_to_the_end(whole)
    loop, members = loop_of(SPECS)
    loop.round()
    loop.round()
    resumed = [spec.member() for spec in SPECS]
    for old, new in zip(members, resumed, strict=True):
        new.checkpoint = checkpoint_of(loop, old)
    if joins:
        again, strangers = loop_of(
            [Spec(9, **vars_of(SPECS[0])), *SPECS[:2]], on_epoch_end=lambda end: end.member in strangers
        )
        again.round()
        again.add_members(resumed)
    else:
        again = FusedLoop(resumed, max_epochs=4, computation=DOUBLE)
    assert [(member.epochs, member.steps, member.checkpoint) for member in resumed] == [(2, 22, None)] * 3
    train_to_the_end(again)
    for one, two in zip(undisturbed, resumed, strict=True):
        assert (one.epochs, one.steps) == (two.epochs, two.steps)
        for name, value in one.task.state_dict().items():
            torch.testing.assert_close(two.task.state_dict()[name], value, rtol=1e-9, atol=1e-12, msg=name)


def vars_of(spec):
    return {name: value for name, value in vars(spec).items() if name != "seed"}


def test_a_random_state_of_another_machine_is_refused():
    loop, members = loop_of(SPECS)
    loop.round()
    content = checkpoint_of(loop, members[0])
    content["random_state"] = [{"torch": torch.zeros(3, dtype=torch.uint8)}]
    member = SPECS[0].member()
    member.checkpoint = content
    with pytest.raises(RuntimeError, match="RNG state size"):
        FusedLoop([member, SPECS[1].member()], max_epochs=4, computation=DOUBLE)
