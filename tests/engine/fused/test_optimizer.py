"""Updates of many members at once against torch's own optimizers, one member each."""

import itertools

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from lightune.engine.fused.optimizer import StackedOptimizer

SMALL = {"weight": (40, 30), "bias": (7,), "filters": (6, 5, 3, 3), "scale": ()}
LARGE = {"weight": (40, 30), "filters": (20, 10, 3, 3)}
KINDS = {
    "sgd": (SGD, [{"lr": 0.1, "weight_decay": 0.1}, {"lr": 0.2}], {}),
    "momentum": (SGD, [{"momentum": 0.9, "dampening": 0.2}, {"momentum": 0.5}, {"lr": 0.3}], {}),
    "nesterov": (SGD, [{"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.5}], {"nesterov": True}),
    "sgd up": (SGD, [{"momentum": 0.9}, {"momentum": 0.5}], {"maximize": True}),
    "adam": (Adam, [{"betas": (0.8, 0.99), "weight_decay": 0.1}, {"lr": 0.1}, {"eps": 1e-3}], {}),
    "amsgrad": (Adam, [{"lr": 0.1}, {"lr": 0.01}], {"amsgrad": True}),
    "adam up": (Adam, [{"lr": 0.1, "weight_decay": 0.1}, {"lr": 0.01}], {"maximize": True}),
    "decoupled": (Adam, [{"weight_decay": 0.3}, {"weight_decay": 0.1}], {"decoupled_weight_decay": True}),
    "adamw": (AdamW, [{"weight_decay": 0.3}, {"lr": 0.1, "betas": (0.5, 0.9)}, {"eps": 1e-2}], {}),
    "adagrad": (Adagrad, [{"lr_decay": 0.1}, {"weight_decay": 0.1, "initial_accumulator_value": 0.2}], {}),
    "rmsprop": (RMSprop, [{"alpha": 0.9, "momentum": 0.5}, {"weight_decay": 0.1}], {}),
}


def apart(kind, settings, shapes, start, steps):
    """Let torch take the steps of one member; return its parameters and its optimizer's state."""
    parameters = {name: nn.Parameter(start[name].clone()) for name in shapes}
    optimizer = kind(parameters.values(), **settings, foreach=False)
    for gradients in steps:
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        optimizer.step()
    return parameters, {name: optimizer.state[parameter] for name, parameter in parameters.items()}


def stacked(values, shapes):
    return torch.stack([torch.cat([one[name].flatten() for name in shapes]) for one in values])


def columns_of(shapes):
    sizes = [torch.Size(shape).numel() for shape in shapes.values()]

    def columns(flat):
        parts = flat.split(sizes, dim=1)
        return {name: part.view(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    return columns


def as_products_leave_them(gradients, name):
    """Stack the gradients of some members, laid out in memory the other way round."""
    return torch.stack([one[name] for one in gradients]).transpose(0, -1).contiguous().transpose(0, -1)


@pytest.mark.parametrize("shapes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_members_are_updated_as_torch_updates_each(kind, blocks, shapes):
    optimizer, numbers, switches = KINDS[kind]
    random = torch.Generator().manual_seed(0)

    def draw():
        return {name: torch.randn(shape, generator=random, dtype=torch.float64) for name, shape in shapes.items()}

    starts, taken = [draw() for _ in numbers], [[draw() for _ in numbers] for _ in range(4)]
    groups = [optimizer([torch.zeros(1)], **own, **switches).param_groups[0] for own in numbers]
    flat, columns = stacked(starts, shapes), columns_of(shapes)
    together = StackedOptimizer(optimizer, groups, flat, columns)
    bounds = [len(numbers) * block // blocks for block in range(blocks + 1)]
    for gradients in taken:
        together.advance(flat)
        for first, end in itertools.pairwise(bounds):
            own = {name: as_products_leave_them(gradients[first:end], name) for name in shapes}
            together.step(own, range(first, end))
    for row, (own, start) in enumerate(zip(numbers, starts, strict=True)):
        steps = [gradients[row] for gradients in taken]
        parameters, state = apart(optimizer, own | switches, shapes, start, steps)
        for name, got in columns(flat).items():
            torch.testing.assert_close(got[row], parameters[name].data, rtol=1e-9, atol=1e-12)
        kept = together.by_parameter(together.snapshot(row))
        for name, theirs in state.items():
            wanted = {key: value for key, value in theirs.items() if value is not None}
            assert wanted.keys() == kept.get(name, {}).keys()
            for key, value in wanted.items():
                got = kept[name][key]
                torch.testing.assert_close(got.to(value), value, rtol=1e-9, atol=1e-12)


def test_a_member_that_resumes_goes_on_where_it_was_kept():
    random = torch.Generator().manual_seed(0)
    shapes, columns = SMALL, columns_of(SMALL)
    groups = [AdamW([torch.zeros(1)], lr=lr).param_groups[0] for lr in (0.1, 0.2)]
    width = sum(torch.Size(shape).numel() for shape in shapes.values())
    flat = torch.randn(2, width, generator=random)
    optimizer = StackedOptimizer(AdamW, groups, flat, columns)
    taken = [{n: torch.randn(2, *shape, generator=random) for n, shape in shapes.items()} for _ in range(3)]
    for gradients in taken[:2]:
        optimizer.advance(flat)
        optimizer.step(gradients, range(2))
    kept, before = optimizer.by_parameter(optimizer.snapshot(1)), flat.clone()
    optimizer.advance(flat)
    optimizer.step(taken[2], range(2))
    other = before.flip(0)  # the member is in another row now, beside one that begins
    resumed = StackedOptimizer(AdamW, groups[::-1], other, columns)
    resumed.add_members(0, groups[::-1], kept, steps=2)
    resumed.advance(other)
    resumed.step({name: value.flip(0) for name, value in taken[2].items()}, range(2))
    torch.testing.assert_close(other[0], flat[1], rtol=1e-6, atol=1e-7)
    assert not torch.allclose(other[1], flat[0])


def test_members_of_other_switches_are_refused():
    groups = [AdamW([torch.zeros(1)], amsgrad=switch).param_groups[0] for switch in (True, False)]
    flat = torch.zeros(2, 10)
    with pytest.raises(ValueError, match="same switches of AdamW"):
        StackedOptimizer(AdamW, groups, flat, columns_of({"weight": (10,)}))
