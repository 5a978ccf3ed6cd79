import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from lightune.callbacks import TestPredictions
from lightune.data.loader import TensorLoader
from lightune.runtime.quiet import quiet


class Doubling(LightningModule):
    def __init__(self, says=True):
        super().__init__()
        self.says = says

    def test_step(self, batch, batch_idx):
        return batch[0] * 2 if self.says else None


def run_test(module, **settings):
    callback = TestPredictions()
    loader = TensorLoader(torch.arange(10.0).reshape(10, 1), torch.arange(10), batch_size=4)
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
        trainer.test(module, loader, verbose=False)
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
