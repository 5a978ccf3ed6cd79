from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from sklearn import metrics as sk
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, ReduceLROnPlateau, StepLR

from lightune.data import InMemoryData, Samples
from lightune.data.loader import TensorLoader
from lightune.data.scaling import fit_scaling
from lightune.errors import ConfigError
from lightune.losses import MSE, BinaryCrossEntropy, CrossEntropy
from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.models import MLP
from lightune.optim import Muon, warmup_cosine
from lightune.regularization import Regularization
from lightune.runtime.quiet import quiet
from lightune.tasks import SupervisedTask
from lightune.tasks.supervised import takes_total_steps
from lightune.validation import Split

INPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (INPUTS[:, 0] > 0).long() + (INPUTS[:, 1] > 0).long()
VALUES = (INPUTS.sum(dim=1, keepdim=True) * 40) + 150


def make(loss=None, **arguments):
    """Make a task for three classes, or whatever the arguments say instead."""
    torch.manual_seed(0)
    parts = {
        "model": MLP([4], 3, layers=1, units=8),
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "scheduler": partial(ConstantLR, factor=1.0),
        "metrics": ClassificationMetrics(3),
        "regularization": Regularization(),
        "num_classes": 3,
    }
    return SupervisedTask(loss=loss or CrossEntropy(), **{**parts, **arguments})


def regression(target_scaling):
    return make(
        MSE(),
        model=MLP([4], 1, layers=1, units=8),
        metrics=RegressionMetrics(train=["mae", "r2"]),
        num_classes=0,
        target_scaler=fit_scaling(VALUES, target_scaling),
    )


def batches(targets=CLASSES, size=16):
    return TensorLoader(INPUTS, targets, batch_size=size)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_smoothed_labels_are_for_training_only_and_those_of_the_loss(share):
    task, plain = make(regularization=Regularization(label_smoothing=share)), make()
    same = make(CrossEntropy(label_smoothing=share))
    learnt = [loss_of_a_step(each).item() for each in (task, same, plain)]
    assert learnt[0] == learnt[1]
    assert (learnt[0] != learnt[2]) == bool(share)
    with torch.no_grad():
        judged = [each.loss(each(INPUTS), CLASSES).item() for each in (task.eval(), plain.eval())]
    assert judged[0] == judged[1]


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), CrossEntropy(label_smoothing=0.1), MSE()])
def test_labels_that_cannot_be_smoothed_are_refused(loss):
    with pytest.raises(ConfigError, match=r"regularization\.label_smoothing"):
        make(loss, regularization=Regularization(label_smoothing=0.1))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, Muon])
def test_biases_and_norms_decay_only_if_all_do(optimizer):
    """Without gradients a step is the decay alone."""

    def shrunk(decay):
        model = MLP([4], 3, layers=2, units=8, batch_norm=True)
        task = make(model=model, decay=decay, optimizer=partial(optimizer, lr=0.1, weight_decay=0.5))
        before = {name: value.clone().detach() for name, value in model.named_parameters()}
        for value in model.parameters():
            value.grad = torch.zeros_like(value)
        own = task.make_optimizer()
        own.step()
        assert all("scale" not in group for group in own.param_groups)
        return {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}, before

    moved, before = shrunk("weights")
    assert moved == {name for name, value in before.items() if value.ndim >= 2}
    moved, before = shrunk("all")
    assert moved == {name for name, value in before.items() if bool(value.any())}


def loss_of_a_step(task, targets=CLASSES):
    """Return the loss of a step in the middle of an epoch."""
    task.trainer = SimpleNamespace(is_last_batch=False)
    return task.training_step((INPUTS, targets), 0)


def test_the_training_loss_is_the_loss_of_the_outputs():
    task = make()
    expected = nn.functional.cross_entropy(task.model(INPUTS), CLASSES)
    torch.testing.assert_close(loss_of_a_step(task), expected)


def test_the_training_loss_includes_the_penalty_and_what_is_measured_does_not():
    task = make(regularization=Regularization(l2=0.5))
    plain = nn.functional.cross_entropy(task.model(INPUTS), CLASSES)
    weights = [module.weight for module in task.model.modules() if isinstance(module, nn.Linear)]
    penalty = 0.5 * sum(weight.square().sum() for weight in weights)
    torch.testing.assert_close(loss_of_a_step(task), plain + penalty)
    torch.testing.assert_close(task.meters["train_meter"].read()["train/loss"], plain.detach())


def test_the_validation_measures_every_sample_once_whatever_the_batches(fit):
    task = make()
    measured = fit(task, batches(), batches(size=7)).callback_metrics
    task.eval()
    with torch.no_grad():
        outputs = task(INPUTS)
    assert measured["val/loss"].item() == pytest.approx(
        nn.functional.cross_entropy(outputs, CLASSES).item(), rel=1e-5
    )
    decided = outputs.argmax(dim=1)
    assert measured["val/accuracy"].item() == pytest.approx(sk.accuracy_score(CLASSES, decided))
    assert measured["val/f1"].item() == pytest.approx(sk.f1_score(CLASSES, decided, average="macro"))


def test_the_training_measures_are_those_of_the_outputs_trained_on(fit):
    task = make(optimizer=partial(torch.optim.SGD, lr=0.0))
    measured = fit(task, batches(size=16), batches(), epochs=2).callback_metrics
    assert measured["train/loss"].item() == pytest.approx(measured["val/loss"].item(), rel=1e-5)
    assert measured["train/accuracy"].item() == pytest.approx(measured["val/accuracy"].item())


def test_the_training_measures_of_an_epoch_are_there_when_callbacks_judge_it(fit):
    class Judge(Callback):
        def __init__(self):
            self.seen = []

        def on_train_epoch_end(self, trainer, pl_module):
            self.seen.append({name: value.item() for name, value in trainer.callback_metrics.items()})

    judge = Judge()
    fit(make(optimizer=partial(torch.optim.SGD, lr=0.0)), batches(), batches(), epochs=2, callbacks=[judge])
    for seen in judge.seen:
        assert seen["train/loss"] == pytest.approx(seen["val/loss"], rel=1e-5)
        assert seen["train/accuracy"] == pytest.approx(seen["val/accuracy"])
    assert len(judge.seen) == 2


def test_a_training_that_ends_within_an_epoch_is_measured_too(fit):
    measured = fit(make(), batches(), batches(), epochs=1, max_steps=2).callback_metrics
    assert {"train/loss", "train/accuracy"} <= set(measured)


def test_an_epoch_that_is_cut_short_is_measured_too(fit):
    measured = fit(make(), batches(), batches(), epochs=1, limit_train_batches=2).callback_metrics
    assert {"train/loss", "train/accuracy"} <= set(measured)


def test_each_epoch_measures_its_own_training_batches(fit):
    class Spoil(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            pl_module.model.output.weight.data.zero_()
            pl_module.model.output.bias.data.copy_(torch.eye(3)[trainer.current_epoch] * 1000)

    task = make(optimizer=partial(torch.optim.SGD, lr=0.0))
    measured = fit(task, batches(), batches(), epochs=2, callbacks=[Spoil()]).callback_metrics
    assert measured["train/accuracy"].item() == pytest.approx((CLASSES == 1).float().mean().item())


def test_learning_lowers_the_loss(fit):
    task = make(optimizer=partial(torch.optim.Adam, lr=0.1))
    before = loss_of_a_step(task).item()
    fit(task, batches(), batches(), epochs=8)
    assert loss_of_a_step(task).item() < before / 3


def test_the_test_part_has_names_of_its_own(fit):
    task = make()
    trainer = fit(task, batches(), batches())
    with quiet(verbose=False):
        trainer.test(task, batches(), verbose=False)
    assert {f"test/{name}" for name in ("loss", *ClassificationMetrics.names)} == set(trainer.callback_metrics)


def test_predictions_of_classes_are_probabilities():
    task = make()
    torch.testing.assert_close(task.predict_step((INPUTS, CLASSES), 0), task(INPUTS).softmax(dim=1))
    torch.testing.assert_close(task.predict_step(INPUTS, 0), task(INPUTS).softmax(dim=1))


def test_one_output_for_two_classes_becomes_two_probabilities():
    two = make(BinaryCrossEntropy(), model=MLP([4], 1), metrics=ClassificationMetrics(2), num_classes=2)
    probabilities = two.predict_step(INPUTS, 0)
    torch.testing.assert_close(probabilities[:, 1:], torch.sigmoid(two(INPUTS)))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(50))


@pytest.mark.parametrize(
    ("num_classes", "read"), [(3, lambda outputs: outputs.softmax(dim=1)), (0, lambda outputs: outputs)]
)
def test_a_loss_that_does_not_say_how_outputs_read_gets_the_usual_reading(num_classes, read):
    task = make(nn.CrossEntropyLoss() if num_classes else nn.MSELoss(), num_classes=num_classes)
    torch.testing.assert_close(task.predict_step(INPUTS, 0), read(task(INPUTS)))


def test_targets_are_scaled_for_the_loss():
    task = regression("standard")
    scaled = (VALUES - VALUES.mean()) / VALUES.std(correction=0)
    expected = nn.functional.mse_loss(task.model(INPUTS), scaled)
    torch.testing.assert_close(loss_of_a_step(task, VALUES), expected)


@pytest.mark.parametrize("target_scaling", ["none", "minmax", "standard"])
def test_metrics_of_scaled_targets_are_in_real_units(target_scaling):
    task = regression(target_scaling)
    loss_of_a_step(task, VALUES)
    measured = task.meters["train_meter"].read()
    predicted = task.predict_step(INPUTS, 0).detach()
    assert measured["train/mae"].item() == pytest.approx(sk.mean_absolute_error(VALUES, predicted), rel=1e-5)
    assert measured["train/r2"].item() == pytest.approx(sk.r2_score(VALUES, predicted), rel=1e-4)


def test_a_mean_that_is_predicted_is_the_mean_in_real_units():
    task = regression("standard")
    for parameter in task.model.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(task.predict_step(INPUTS, 0), torch.full((50, 1), VALUES.mean().item()))


def test_the_target_scaler_travels_with_the_weights():
    task, other = regression("standard"), regression("none")
    other.load_state_dict(task.state_dict())
    torch.testing.assert_close(other.predict_step(INPUTS, 0), task.predict_step(INPUTS, 0))


def test_frozen_parameters_are_not_given_to_the_optimizer(fit):
    task = make()
    task.model.blocks.requires_grad_(False)
    trainer = fit(task, batches(), batches())
    given = [parameter for group in trainer.optimizers[0].param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in given} == {
        id(parameter) for parameter in task.model.output.parameters()
    }


def test_a_scheduler_is_stepped_once_an_epoch(fit):
    task = make(scheduler=partial(StepLR, step_size=1, gamma=0.5))
    trainer = fit(task, batches(), batches(), epochs=3)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)


def test_a_scheduler_of_steps_is_given_the_length_of_the_run_and_stepped_once_a_batch(fit):
    task = make(scheduler=partial(warmup_cosine, warmup_ratio=0.0))
    trainer = fit(task, batches(), batches(), epochs=2)
    assert trainer.global_step == 8
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    scheduler = trainer.lr_scheduler_configs[0]
    assert (scheduler.interval, scheduler.scheduler.last_epoch) == ("step", 8)


def test_a_plateau_scheduler_follows_the_monitored_metric(fit):
    task = make(scheduler=partial(ReduceLROnPlateau, patience=0, factor=0.1), monitor="val/loss")
    task.optimizer_step = lambda *arguments, **more: arguments[3]()  # nothing is learned: a plateau
    trainer = fit(task, batches(), batches(), epochs=3)
    assert trainer.lr_scheduler_configs[0].monitor == "val/loss"
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.1**2)


def test_a_factory_says_by_its_signature_whether_it_takes_the_length_of_the_run():
    assert takes_total_steps(warmup_cosine)
    assert takes_total_steps(partial(warmup_cosine, warmup_ratio=0.2))
    assert takes_total_steps(partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1.0))
    assert not takes_total_steps(partial(StepLR, step_size=1))


def test_a_length_that_is_given_is_not_given_again():
    assert not takes_total_steps(partial(warmup_cosine, total_steps=100))


def test_a_run_is_repeated_by_its_seed(fit):
    class Rows(InMemoryData):
        def load(self):
            return Samples(INPUTS, CLASSES, num_classes=3)

    def weights(seed):
        data = Rows(batch_size=8)
        data.divide(Split(np.arange(40), np.arange(40, 45), np.arange(45, 50)), seed=seed)
        task = make()
        fit(task, datamodule=data, epochs=2)
        return task.model.output.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
