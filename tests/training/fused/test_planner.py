"""What may be fused is found out by trying; what may not is named, with the reason."""

import odd_networks
import pytest
import torch
from odd_networks import (
    ChangesBuffer,
    Counts,
    DependsOnData,
    DrawsItself,
    KeepsItsNorm,
    OwnGradient,
    OwnStackableGradient,
    Plain,
    ReplacesBuffer,
)

from lightune import compose
from lightune.config.trust import _added, trust
from lightune.training.fused.planner import StructureCache, build_member, plan

pytestmark = pytest.mark.long

SMALL = ["trainer=cpu", "model.units=8", "trainer.max_epochs=2"]


def configs(*variants, shared=()):
    return [compose([*SMALL, *shared, *variant.split()]) for variant in variants]


@pytest.fixture
def own():
    """Let configurations name the odd networks."""
    trust(odd_networks.__name__)
    yield odd_networks.__name__
    _added.remove(odd_networks.__name__)


def groups(made):
    return [group.indices for group in made.groups]


def test_configurations_that_differ_in_numbers_train_together():
    variants = [
        "optimizer.lr=0.1",
        "optimizer.weight_decay=0 regularization=l1",
        "regularization=dropout regularization.dropout=0.1",
        "scheduler=cosine seed=5",
        "optimizer.betas=[0.8,0.9] loss.label_smoothing=0.1",
        "regularization=label_smoothing",
        "regularization=gradient_clip name=other callbacks.early_stopping.patience=3",
    ]
    made = plan(configs(*variants))
    assert (groups(made), made.alone) == ([list(range(7))], {})


def test_other_structures_form_other_groups():
    variants = [
        "seed=0",
        "model.layers=1",
        "seed=1",
        "model.layers=1 seed=1",
        "optimizer=sgd",
        "data.batch_size=32",
    ]
    made = plan(configs(*variants))
    assert groups(made) == [[0, 2], [1, 3]]
    assert set(made.alone) == {4, 5}
    assert "numbers only" in made.alone[4]


@pytest.mark.parametrize(
    ("shared", "reason"),
    [
        (["trainer.accumulate_grad_batches=2"], "accumulate_grad_batches=2 has no fused form"),
        (["trainer.precision=bf16-mixed"], "precision=bf16-mixed has no fused form"),
        (["+trainer.detect_anomaly=true"], "detect_anomaly has no fused form"),
        (["trainer.limit_train_batches=2"], "limit_train_batches=2 has no fused form"),
        (["optimizer._target_=torch.optim.NAdam"], "torch.optim.NAdam has no fused form"),
        (["+callbacks.timer._target_=pytorch_lightning.callbacks.Timer"], "watches a trainer of its own"),
    ],
)
def test_what_the_fused_loop_does_not_know_trains_alone(shared, reason):
    if "limit_train" in shared[0]:
        shared = [f"+{shared[0]}"]
    if "accumulate" in shared[0]:
        shared = [f"+{shared[0]}"]
    if "NAdam" in shared[0]:
        shared = [*shared, "~optimizer.amsgrad"]
    made = plan(configs("seed=0", "seed=1", shared=shared))
    assert groups(made) == []
    assert reason in made.alone[0]
    assert "\n" not in made.alone[0]


@pytest.mark.parametrize("network", [Plain, ChangesBuffer, OwnStackableGradient])
def test_networks_of_ones_own_are_fused_if_they_compute_the_same(own, network):
    shared = [f"model={{_target_:{own}.{network.__name__}}}"]
    cfgs = [compose(["trainer=cpu", f"seed={seed}"]) for seed in (0, 1)]
    for cfg in cfgs:
        cfg.model = {"_target_": f"{own}.{network.__name__}"}
    made = plan(cfgs)
    assert (groups(made), made.alone) == ([[0, 1]], {}), shared


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (DependsOnData, "data-dependent control flow"),
        (ReplacesBuffer, "than a step alone"),
        (OwnGradient, "cannot be stacked"),
        (Counts, "in a Python attribute"),
        (DrawsItself, "cannot be stacked"),
        (KeepsItsNorm, "stays in evaluation form"),
    ],
)
def test_strange_networks_train_alone_and_the_reason_is_said(own, network, reason):
    cfgs = [compose(["trainer=cpu", f"seed={seed}"]) for seed in (0, 1)]
    for cfg in cfgs:
        cfg.model = {"_target_": f"{own}.{network.__name__}"}
    made = plan(cfgs)
    assert groups(made) == []
    assert reason in made.alone[0]
    assert "\n" not in made.alone[0]


def test_a_number_that_a_network_keeps_is_tried_whichever_member_has_it(own):
    def scaled(*dropouts):
        cfgs = [compose(["trainer=cpu", f"seed={seed}"]) for seed in range(len(dropouts))]
        for cfg, dropout in zip(cfgs, dropouts, strict=True):
            cfg.model = {"_target_": f"{own}.Scaled", "dropout": dropout}
        return cfgs

    known = {}
    assert groups(plan(scaled(0.1, 0.1), known=known)) == [[0, 1]]
    assert groups(plan(scaled(0.5, 0.5), known=known)) == [[0, 1]]
    made = plan(scaled(0.1, 0.5, 0.1, 0.1, 0.1), known=known)
    assert groups(made) == []
    assert "than a step alone" in made.alone[0]


def test_what_was_found_equivalent_serves_every_later_plan():
    known = {}
    plan(configs(*(f"seed={seed}" for seed in range(5))), known=known)
    (of_structure,) = known.values()
    verified = list(of_structure.verified)
    plan(configs("seed=5", "seed=6", "seed=7"), known=known)
    assert of_structure.verified == verified
    plan(configs("seed=0", "seed=1 regularization.l1=0.1"), known=known)
    assert [len(variants) for variants in of_structure.verified] == [1, 2]


def test_a_width_bounds_the_groups():
    made = plan(configs(*[f"seed={seed}" for seed in range(5)]), fused_width=3)
    assert groups(made) == [[0, 1, 2], [3, 4]]


def test_large_networks_train_alone_on_a_cpu():
    made = plan(configs("seed=0", "seed=1", shared=["model.units=4096"]))
    assert "where fusing no longer pays" in made.alone[0]
    assert "where fusing" not in str(plan(configs("seed=0", "seed=1", shared=["model.units=300"])).alone)


def test_a_plan_leaves_its_members_as_they_were_built():
    made = plan(configs("seed=0", "seed=1"))
    again = plan(configs("seed=0", "seed=1"))
    for one, two in zip(made.groups[0].members, again.groups[0].members, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.task.parameters(), two.task.parameters(), strict=True))


def test_members_of_one_division_hold_the_samples_once():
    made = plan(configs("seed=0 optimizer.lr=0.1", "seed=0", "seed=1"))
    data = [member.data for member in made.groups[0].members]
    assert data[0] is data[1]
    assert data[0] is not data[2]
    assert data[0].samples is data[2].samples


def test_trials_of_different_augmentation_divide_their_data_apart():
    known = StructureCache()
    words = ["trainer=cpu", "model.units=4"]
    cfgs = [
        compose([*words, *own]) for own in ([], ["augmentation=flip"], ["augmentation=flip", "optimizer.lr=0.1"])
    ]
    none, flip, again = (build_member(cfg, known)[0].data for cfg in cfgs)
    assert none.variation is None
    assert flip.variation.augmentation.strengths == {"flip": 0.5}
    assert again is flip
    assert flip.samples is none.samples
