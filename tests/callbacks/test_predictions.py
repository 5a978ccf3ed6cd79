import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from lightune.callbacks import TestPredictions, ValidationStepPredictions, untold
from lightune.data.loader import TensorLoader
from lightune.runtime.quiet import quiet


class Doubling(LightningModule):
    def __init__(self, says=True):
        super().__init__()
        self.says = says

    def test_step(self, batch, batch_idx):
        return batch[0] * 2 if self.says else None


class Saying(LightningModule):
    def __init__(self, says):
        super().__init__()
        self.says = says

    def test_step(self, batch, batch_idx):
        return self.says(*batch)

    validation_step = test_step


def run_test(module, *, callback=None, targets=None, stage="test", **settings):
    callback = callback or TestPredictions()
    targets = torch.arange(10) if targets is None else targets
    loader = TensorLoader(torch.arange(10.0).reshape(10, 1), targets, batch_size=4)
    with quiet(verbose=False):
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            callbacks=[callback],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **settings,
        )
        getattr(trainer, stage)(module, loader, verbose=False)
    return callback, trainer, loader


def test_predictions_come_in_the_order_of_the_test_part_with_their_targets():
    callback, trainer, _ = run_test(Doubling())
    places, predicted, targets = callback.of_all(trainer)
    assert places.tolist() == targets.tolist() == list(range(10))
    assert predicted.flatten().tolist() == [2.0 * row for row in range(10)]


def test_a_test_that_is_limited_gives_what_was_seen():
    callback, trainer, _ = run_test(Doubling(), limit_test_batches=2)
    places, predicted, _ = callback.of_all(trainer)
    assert len(places) == len(predicted) == 8


def test_a_second_test_begins_anew():
    callback, trainer, loader = run_test(Doubling())
    with quiet(verbose=False):
        trainer.test(Doubling(), loader, verbose=False)
    assert len(callback.of_all(trainer)[0]) == 10


@pytest.mark.parametrize("says", [False])
def test_a_task_that_says_nothing_has_no_predictions(says):
    callback, trainer, _ = run_test(Doubling(says))
    assert callback.of_all(trainer) is None


def probabilities(x, target):
    return torch.eye(10)[target] * 0.9


@pytest.mark.parametrize(("stage", "kind"), [("test", TestPredictions), ("validate", ValidationStepPredictions)])
@pytest.mark.parametrize(
    "says",
    [probabilities, lambda x, target: {"preds": probabilities(x, target), "target": target, "loss": x.sum()}],
    ids=["tensor", "mapping"],
)
def test_a_task_of_ones_own_tells_by_what_its_step_returns(says, stage, kind):
    callback, trainer, _ = run_test(Saying(says), callback=kind(checks=True), stage=stage)
    _, predicted, targets = callback.of_all(trainer)
    assert callback.lacking == ""
    assert (predicted.argmax(dim=1).tolist(), targets.tolist()) == (list(range(10)), list(range(10)))


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_values_of_a_task_of_ones_own_may_have_either_shape(shape):
    says = lambda x, target: (target + 1).reshape(shape)  # noqa: E731
    callback, trainer, _ = run_test(
        Saying(says), callback=TestPredictions(checks=True), targets=torch.arange(10.0)
    )
    _, predicted, targets = callback.of_all(trainer)
    assert predicted.shape == targets.shape == (10, 1)
    assert (predicted - targets).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("says", "lacking"),
    [
        (lambda x, target: None, "returns no predictions"),
        (lambda x, target: {"loss": x.sum()}, "returns no predictions"),
        (lambda x, target: x.sum(), "returns one number, as a loss is, and no predictions"),
        (lambda x, target: target, r"returns (4,) for classes, and no probabilities (B, C)"),
        (lambda x, target: x * 3 - 1, "returns numbers that are no probabilities: take the softmax of outputs"),
        (lambda x, target: x[:1], "returns (1, 1) for targets (4,)"),
        (lambda x, target: {"preds": x}, "is given batches that are no pairs (input, target)"),
        (lambda x, target: torch.zeros(len(x), len(x)), "returns other widths for other batches"),
    ],
)
def test_what_a_task_of_ones_own_does_not_tell_is_named(says, lacking):
    module = Saying(says)
    callback, trainer, _ = run_test(module, callback=TestPredictions(checks=True))
    assert callback.of_all(trainer) is None
    assert callback.lacking == lacking
    assert untold(module, "test", lacking).startswith(
        f"Saying.test_step {lacking}; to have them, return class prob"
    )
