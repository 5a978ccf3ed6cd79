import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping

from lightune.callbacks import BestAndLast
from lightune.callbacks.measured import MeasuredWeights


class Seen(Callback):
    """Notes the weights that were copied in each epoch."""

    def __init__(self, measured):
        self.measured, self.seen = measured, []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            self.seen.append(self.measured.weights and self.measured.weights["weight"].item())


class Swapping(Seen):
    """Puts another weight in the place of the network's for the validation alone."""

    def on_validation_start(self, trainer, pl_module):
        self.kept = pl_module.weight.item()
        pl_module.weight.data.fill_(-self.kept)

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.weight.data.fill_(self.kept)


def test_nothing_is_copied_where_nothing_changes_the_weights(fit_scripted):
    measured = MeasuredWeights()
    seen, usual = Seen(measured), [EarlyStopping("val/accuracy"), BestAndLast()]
    fit_scripted([0.1, 0.2, 0.3], callbacks=[measured, seen, *usual], enable_checkpointing=True)
    assert seen.seen == [None, None, None]


def test_what_a_validation_measured_is_copied_before_it_is_put_back(fit_scripted):
    measured = MeasuredWeights()
    swapping = Swapping(measured)
    fit_scripted([0.1, 0.2, 0.3], callbacks=[measured, swapping])
    assert swapping.seen == [None, -1.0, -2.0]
    assert measured.weights["weight"].item() == -3.0


@pytest.mark.parametrize("every", [{}, {"check_val_every_n_epoch": None}], ids=["of an epoch", "of all"])
def test_weights_are_copied_where_the_epoch_goes_on_after_the_validation(fit_scripted, every):
    measured = MeasuredWeights()
    fit_scripted([0.1, 0.2], callbacks=[measured], val_check_interval=1, **every)
    assert torch.equal(measured.weights["weight"], torch.tensor(2.0))


def test_the_checkpoint_is_told_before_all_other_callbacks(fit_scripted):
    trainer = fit_scripted([0.1], callbacks=[BestAndLast()], enable_checkpointing=True)
    assert isinstance(trainer.callbacks[0], MeasuredWeights)
