"""Members are compared fused and alone, a few of each variant, and no set of variants twice."""

from functools import partial

import pytest
from fused_members import Spec, adamw
from torch import optim

from lightune.losses import CrossEntropy
from lightune.regularization import Regularization
from lightune.training.fused.equivalence import check_equivalence, compare_steps, is_verified, variants_of


@pytest.fixture
def compared():
    """Note which members are compared; the comparison finds no difference."""
    groups = []

    def compare(members):
        groups.append(members)

    compare.groups = groups
    return compare


def members(*specs):
    return [spec.member() for spec in specs]


def test_a_few_members_of_one_variant_are_compared_from_all_over_the_group(compared):
    group = members(*(Spec(seed, optimizer=adamw(lr=0.01 * (seed + 1))) for seed in range(7)))
    verified = []
    assert check_equivalence(group, verified, compare=compared) is None
    assert compared.groups == [[group[0], group[3], group[6]]]
    assert check_equivalence(members(Spec(8), Spec(9)), verified, compare=compared) is None
    assert len(compared.groups) == 1


def test_one_member_of_each_variant_is_compared_where_they_differ(compared):
    group = members(Spec(0), Spec(1), Spec(2, regularization=Regularization(l1=0.1)))
    verified = []
    check_equivalence(group, verified, compare=compared)
    assert compared.groups == [[group[0], group[2]]]
    assert verified == [variants_of(group)]
    assert is_verified(variants_of(group[:2]), verified)


def test_what_differs_is_compared_again(compared):
    verified = []

    def differ(chosen):
        compared(chosen)
        return "a difference"

    for _ in range(2):
        assert check_equivalence(members(Spec(0), Spec(1)), verified, compare=differ) == "a difference"
    assert (len(compared.groups), verified) == (2, [])


@pytest.mark.parametrize(
    "other",
    [
        {"regularization": Regularization(l2=0.1)},
        {"regularization": Regularization(gradient_clip=1.0)},
        {"loss": partial(CrossEntropy, label_smoothing=0.1)},
        {"optimizer": adamw(lr=1e-2, weight_decay=0.0)},
        {"scheduler": partial(optim.lr_scheduler.OneCycleLR, max_lr=0.1)},
    ],
    ids=str,
)
def test_a_number_that_is_zero_makes_another_variant(other):
    plain, changed = members(Spec(0), Spec(0, **other))
    assert variants_of([plain]) != variants_of([changed])
    assert variants_of([plain]) == variants_of(members(Spec(5, optimizer=adamw(lr=0.3))))


def test_a_part_in_evaluation_form_is_found_before_anything_is_compared(compared):
    group = members(Spec(0), Spec(1))
    group[1].task.model.blocks[0].eval()
    assert "stays in evaluation form" in check_equivalence(group, compare=compared)
    assert compared.groups == []


def test_comparing_leaves_the_members_as_they_were():
    group = members(Spec(0), Spec(1))
    before = [{name: value.clone() for name, value in member.task.state_dict().items()} for member in group]
    assert compare_steps(group) is None
    for member, state in zip(group, before, strict=True):
        assert all(value.equal(state[name]) for name, value in member.task.state_dict().items())
        assert (member.epochs, member.steps) == (0, 0)
