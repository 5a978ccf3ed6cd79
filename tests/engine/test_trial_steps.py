import pytest
import torch

from lightune import compose
from lightune.engine.trial_steps import TrialSteps, own_random_numbers
from lightune.run import prepare

SHORT = ["trainer=cpu", "data=wine", "model.units=8", "metrics.bootstrap=0", "regularization.dropout=0.5"]


@pytest.fixture
def tried(tmp_path):
    def make(*words):
        parts = prepare(compose([*SHORT, f"output_root={tmp_path}", *words]))
        return parts, TrialSteps(parts.task, parts.trainer)

    return make


def weights(task):
    return torch.cat([each.detach().flatten() for each in task.parameters()]).clone()


def test_steps_train_a_copy(tried):
    parts, steps = tried("optimizer.lr=0.01")
    before, batches = weights(parts.task), list(parts.data.train_dataloader())
    losses = [float(steps.step(batch)) for _ in range(20) for batch in batches]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert torch.equal(weights(parts.task), before)
    assert not parts.task._meters["train"].has_samples


def test_gradients_are_clipped_as_in_training(tried):
    def moved(*words):
        parts, steps = tried("optimizer=sgd", "optimizer.momentum=0", "optimizer.lr=1", *words)
        before = weights(steps.task)
        steps.step(next(iter(parts.data.train_dataloader())))
        return float((weights(steps.task) - before).norm())

    assert moved("regularization.gradient_clip=1e-3") == pytest.approx(1e-3, rel=1e-2)
    assert moved() > 1e-2


def test_steps_are_as_precise_as_training(tried):
    _, steps = tried("trainer.precision=64-true")
    assert {each.dtype for each in steps.task.parameters()} == {torch.float64}
    parts, steps = tried("trainer.precision=bf16-mixed")
    assert steps.step(next(iter(parts.data.train_dataloader()))).isfinite()


def test_random_numbers_go_on_where_they_were():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    with own_random_numbers(0):
        first = torch.rand(5)
    assert torch.equal(torch.rand(2), wanted)
    with own_random_numbers(0):
        assert torch.equal(torch.rand(5), first)
