"""A trainer that takes no step itself is compared, moment by moment, with one that does."""

import copy

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from lightune.callbacks import BestAndLast, FiniteLoss
from lightune.runtime.quiet import quiet
from lightune.training.fused.lightning_state import LightningState, Position

STEPS, EPOCHS = 3, 2


class Task(LightningModule):
    """One weight; its learning rate moves with every epoch, or with every step."""

    def __init__(self, by_step=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.by_step = by_step

    def training_step(self, batch, batch_idx):
        return (self.weight - batch).square().mean()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        return [optimizer], [{"scheduler": scheduler, "interval": "step" if self.by_step else "epoch"}]


def counts_of(trainer):
    """Return all that a checkpoint keeps of how far a trainer is, and what it is at."""
    intervals = [schedule.interval for schedule in trainer.lr_scheduler_configs]
    counts = copy.deepcopy(trainer.fit_loop.state_dict())
    return counts, trainer.current_epoch, trainer.global_step, trainer.training, intervals


class Moments(Callback):
    """Note the counts whenever an epoch begins or is judged, and in the end."""

    def __init__(self):
        self.seen = {}

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen["start", trainer.current_epoch] = counts_of(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self.seen["judged", trainer.current_epoch] = counts_of(trainer)

    def on_train_end(self, trainer, pl_module):
        self.seen["end", EPOCHS] = counts_of(trainer)


@pytest.fixture(params=[False, True], ids=["by epoch", "by step"])
def by_step(request):
    return request.param


@pytest.fixture
def seen(fit, by_step):
    """What an ordinary trainer counts."""
    moments = Moments()
    fit(Task(by_step), DataLoader(torch.ones(STEPS, 1)), epochs=EPOCHS, callbacks=[moments])
    return moments.seen


@pytest.fixture
def trainer(tmp_path):
    """Make a trainer that is not used yet."""

    def make(*callbacks):
        with quiet(verbose=False):
            return Trainer(
                accelerator="cpu",
                max_epochs=EPOCHS,
                callbacks=list(callbacks),
                logger=False,
                default_root_dir=tmp_path,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=any(isinstance(each, BestAndLast) for each in callbacks),
            )

    return make


def state_of(trainer, task, by_step=False):
    state = LightningState(trainer, task, steps_per_epoch=STEPS, by_step=by_step)
    (optimizer,), (schedule,) = task.configure_optimizers()
    state.connect(optimizer, schedule["scheduler"])
    return state


def test_it_counts_what_an_ordinary_trainer_counts(seen, trainer, by_step):
    made = trainer()
    state = state_of(made, Task(by_step), by_step)
    positions = {
        ("start", 0): Position(0, 0, began=True),
        ("judged", 0): Position(0, STEPS, began=True, stepped=True),
        ("start", 1): Position(1, STEPS, began=True),
        ("judged", 1): Position(1, 2 * STEPS, began=True, stepped=True),
        ("end", 2): Position(2, 2 * STEPS, began=False),
    }
    assert positions.keys() == seen.keys()
    for moment, position in positions.items():
        state.move_to(position)
        assert counts_of(made) == seen[moment], moment
        assert state.position == position


def test_it_can_go_back_to_where_it_was(seen, trainer, by_step):
    made = trainer()
    state = state_of(made, Task(by_step), by_step)
    state.move_to(Position(2, 2 * STEPS, began=False))
    state.move_to(Position(1, STEPS, began=True))
    assert counts_of(made) == seen["start", 1]


def test_figures_are_drawn_over_the_step_that_is_told(trainer):
    made = trainer()
    state = state_of(made, Task())
    state.move_to(Position(1, STEPS, began=True))
    state.log_at(7)
    assert made.fit_loop.epoch_loop._batches_that_stepped == 7
    assert made.global_step == STEPS


class Told(Callback):
    """Note which hooks were called, and the state that was restored."""

    def __init__(self, told):
        self.told = told

    def setup(self, trainer, pl_module, stage):
        self.told.append(f"setup {stage}")

    def on_fit_start(self, trainer, pl_module):
        self.told.append("fit start")

    def on_train_start(self, trainer, pl_module):
        self.told.append("train start")

    def on_train_end(self, trainer, pl_module):
        self.told.append("train end")

    def state_dict(self):
        return {"told": self.told}

    def load_state_dict(self, state_dict):
        self.told.append(f"restored {state_dict['told']}")


def test_callbacks_see_the_beginning_and_the_end_of_training(trainer):
    told = []
    state = state_of(trainer(Told(told)), Task())
    state.begin(None)
    state.end()
    assert told == ["setup fit", "fit start", "train start", "train end"]


def test_callbacks_of_a_resumed_training_have_their_states_before_it_starts(trainer):
    told = []
    state = state_of(trainer(Told(told)), Task())
    content = {"callbacks": {Told(told).state_key: {"told": "before"}}, "pytorch-lightning_version": "2.0"}
    state.begin(content, restored=lambda: told.append("all restored"))
    assert told == ["setup fit", "restored before", "all restored", "fit start", "train start"]


class Judge(BestAndLast):
    pass


def test_hooks_are_those_of_callbacks_that_have_them_judges_apart(trainer):
    watch, stopper, judge = Moments(), EarlyStopping("val/loss"), Judge()
    state = state_of(trainer(watch, FiniteLoss(), stopper, judge), Task())

    def owners(**which):
        return [hook.__self__ for hook in state.hooks("on_train_epoch_end", without=FiniteLoss, **which)]

    assert owners() == [watch, stopper, judge]
    assert owners(monitoring=False) == [watch]
    assert owners(monitoring=True) == [stopper, judge]
    assert [hook.__self__ for hook in state.hooks("on_train_epoch_end", without=Moments)][-2:] == [stopper, judge]
    assert state.hooks("on_save_checkpoint", without=BestAndLast) == []


def test_a_checkpoint_holds_what_is_prepared_for_it_and_nothing_is_left_afterwards(trainer, tmp_path):
    made, task, done = trainer(Judge()), Task(), []
    state = state_of(made, task)
    optimizer = made.optimizers[0]

    def prepare():
        done.append("prepared")
        task.weight.data.fill_(7.0)
        optimizer.state[task.weight] = {"momentum_buffer": torch.full((1,), 3.0)}

    def clear():
        done.append("cleared")
        optimizer.state.clear()

    state.dump_through(prepare, clear)
    state.move_to(Position(1, STEPS, began=True))
    made.save_checkpoint(tmp_path / "own.ckpt")
    saved = torch.load(tmp_path / "own.ckpt", weights_only=True)
    assert (done, dict(optimizer.state)) == (["prepared", "cleared"], {})
    assert saved["state_dict"]["weight"].item() == 7.0
    assert saved["optimizer_states"][0]["state"][0]["momentum_buffer"].item() == 3.0
    assert (saved["epoch"], saved["global_step"]) == (1, STEPS)
    later = state.dump()
    assert done == ["prepared", "cleared"]  # a content that is made as things stand is prepared by who asks for it
    assert later["optimizer_states"][0]["state"] == {}


def test_the_states_of_callbacks_are_a_copy(trainer):
    told = ["before"]
    state = state_of(trainer(Told(told)), Task())
    states = state.callback_states()
    told.append("after")
    assert states == {Told(told).state_key: {"told": ["before"]}}
