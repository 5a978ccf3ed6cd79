"""A recorded step computes what autograd computes for each member; what does nothing is left out of it."""

import pytest
import torch
from torch import nn

from lightune.engine.fused.dropout import DropoutMasks
from lightune.engine.fused.program import Program, record
from lightune.engine.fused.stack import Stack
from lightune.losses import CrossEntropy

SHARES = torch.tensor([0.0, 0.1, 0.5])


def networks():
    made = []
    for seed in range(3):
        torch.manual_seed(seed)
        made.append(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)).double())
    return made


def program_of(models, smoothing=None, recorded=None):
    masks = DropoutMasks(models[0], models, range(3), device="cpu", dtype=torch.float64)
    return Program(masks, CrossEntropy(), label_smoothing=smoothing, recorded=recorded)


@pytest.fixture
def batch():
    torch.manual_seed(7)
    return torch.randn(3, 6, 4, dtype=torch.float64), torch.randint(3, (3, 6))


@pytest.mark.parametrize("smoothing", [None, SHARES.double()], ids=["plain", "smoothed"])
def test_losses_gradients_and_buffers_are_those_of_each_member(batch, smoothing):
    x, target = batch
    stack = Stack(networks(), dtype=torch.float64)
    gradients, losses, outputs, after = program_of(networks(), smoothing).train(
        stack.parameters, stack.buffers, x, target
    )
    for row, model in enumerate(networks()):
        loss = CrossEntropy(0.0 if smoothing is None else smoothing[row].item())(out := model(x[row]), target[row])
        loss.backward()
        torch.testing.assert_close(losses[row], loss.detach())
        torch.testing.assert_close(outputs[row], out.detach())
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(gradients[name][row], parameter.grad, atol=1e-12, rtol=1e-7)
        torch.testing.assert_close(after["1.running_mean"][row], model[1].running_mean)


def test_evaluation_uses_what_was_learnt_of_the_batches_before(batch):
    x, target = batch
    stack = Stack(networks(), dtype=torch.float64)
    losses, outputs = program_of(networks()).evaluate(stack.parameters, stack.buffers, x, target)
    for row, model in enumerate(networks()):
        with torch.no_grad():
            out = model.eval()(x[row])
        torch.testing.assert_close(outputs[row], out)
        torch.testing.assert_close(losses[row], CrossEntropy()(out, target[row]))


def test_a_step_is_recorded_once_a_shape_and_serves_other_programs(batch):
    x, target = batch
    stack, recorded = Stack(networks(), dtype=torch.float64), {}
    for _ in range(2):
        program = program_of(networks(), recorded=recorded)
        program.train(stack.parameters, stack.buffers, x, target)
        assert len(recorded) == 1
    program.train(stack.parameters, stack.buffers, x[:, :2], target[:, :2])
    assert len(recorded) == 2


def test_rows_of_a_group_have_their_own_smoothing_in_training_and_none_when_judged(batch):
    x, target = batch
    program, model = program_of(networks(), SHARES.double()), networks()[2]
    program.keep([2])
    stack = Stack([model], dtype=torch.float64)
    _, losses, outputs, _ = program.train(stack.parameters, stack.buffers, x[2:], target[2:])
    expected = CrossEntropy(0.5)(outputs[0], target[2])
    torch.testing.assert_close(losses[0], expected, rtol=1e-6, atol=1e-8)
    losses, outputs = program.evaluate(stack.parameters, stack.buffers, x[2:], target[2:])
    for judged in (losses[0], program.loss(outputs[0], target[2])):
        torch.testing.assert_close(judged, CrossEntropy()(outputs[0], target[2]), rtol=1e-6, atol=1e-8)


def test_smoothing_needs_a_program_that_has_it():
    model = networks()[0]
    assert program_of(networks(), SHARES).accepts(model, 0.3)
    assert program_of(networks()).accepts(model, 0.0)
    assert not program_of(networks()).accepts(model, 0.3)


def test_operations_that_do_nothing_are_not_recorded():
    graph = record(lambda x: x.view(2, 3).expand(2, 3) + 1, (torch.ones(2, 3),))
    assert [node.name for node in graph.graph.nodes if node.op == "call_function"] == ["add"]
    assert torch.equal(graph(torch.zeros(2, 3)), torch.ones(2, 3))
