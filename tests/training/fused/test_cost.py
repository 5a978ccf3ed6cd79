"""When fusing is faster, and how many members fit into memory."""

from functools import partial

import pytest
from fused_members import CLASSES, LONGEST, SHAPE, WORDS, Spec, Words

from lightune.models import CNN, MLP, TextLSTM
from lightune.training.fused.cost import MOST_FLOPS_ON_CPU, bytes_of, check_cost, forward_flops, most_members


def member(model, **parts):
    return Spec(model=model, **parts).member()


def test_operations_are_those_of_one_forward_pass_on_a_batch():
    small = member(partial(MLP, SHAPE, CLASSES, layers=1, units=8))
    assert forward_flops(small) == 2 * 10 * (36 * 8 + 8 * CLASSES)
    assert small.task.model.training


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (partial(MLP, SHAPE, CLASSES, layers=2, units=4096), "dense"),
        (partial(CNN, SHAPE, CLASSES, channels=[256, 256], units=8), "convolution"),
    ],
    ids=["dense", "convolution"],
)
def test_large_networks_are_faster_alone_on_a_cpu_and_the_reason_says_how_large(model, kind):
    large = member(model)
    reason = check_cost(large, "cpu")
    assert (
        f"{forward_flops(large) / 1e6:.0f} MFLOP a batch is past {MOST_FLOPS_ON_CPU[kind] / 1e6:.0f} ({kind})"
        in reason
    )
    assert check_cost(large, "cuda") is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_recurrent_networks_are_faster_alone(device):
    small = member(partial(TextLSTM, [LONGEST], CLASSES, [WORDS + 2], embedding=2, units=2), data=Words)
    assert check_cost(small, device) == (
        "a recurrent network is written down token by token, which takes longer than fusing saves"
    )


def test_small_networks_are_faster_fused():
    assert check_cost(member(partial(MLP, SHAPE, CLASSES, layers=1, units=8)), "cpu") is None


def test_fewer_large_members_fit_into_memory():
    small, large = (member(partial(MLP, SHAPE, CLASSES, layers=2, units=units)) for units in (8, 2000))
    assert bytes_of([large]) > 100 * bytes_of([small])
    assert most_members([small], "cpu") > most_members([large], "cpu") >= 1
