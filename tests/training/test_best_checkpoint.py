"""The figure and the file agree: what `best.ckpt` gives in validation is the objective of `result.json`."""

import json
import os
import signal

import changing_weights
import pytest
from changing_weights import CALLBACKS, TASKS
from pytorch_lightning import Callback

from lightune import compose, evaluate, resume, train, trust
from lightune.checkpoints import read_checkpoint
from lightune.errors import InterruptedRun, StopRequested, TrainingError

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def own_parts():
    """Let configurations name the tasks and callbacks that change weights."""
    trust(changing_weights.__name__)


BASE = (
    "trainer=cpu",
    "data=wine",
    "trainer.max_epochs=4",
    "model.units=16",
    "optimizer.lr=0.02",
    "monitor.metric=val/loss",
    "monitor.mode=min",
    "logger=none",
    "metrics.bootstrap=0",
)
PARTS = {name: [*overrides, "monitor.mode=max"] for name, overrides in TASKS.items()} | CALLBACKS
LENGTHS = {
    "epochs": [],
    "patience": ["optimizer.lr=10", "trainer.max_epochs=20", "callbacks.early_stopping.patience=1"],
    "steps within an epoch": ["+trainer.max_steps=3"],
    "validated every other epoch": ["+trainer.check_val_every_n_epoch=2"],
    "validated twice an epoch": ["+trainer.val_check_interval=0.5", "data.batch_size=16"],
}
FITS = {"folds": ["validation=kfold", "validation.k=2"], "repeats": ["repeats=2"]}
SAVING = {"now and then": [], "every epoch": ["callbacks.checkpoint.every_seconds=0"]}


class Ending(Callback):
    """Ends a training, by a signal or by an error, in a hook of an epoch.

    Args:
        hook: its name.
        epoch: from 0.
        how: called with the trainer.
    """

    takes_chunks = True

    def __init__(self, hook, epoch, how):
        super().__init__()
        self.epoch, self.how = epoch, how
        setattr(self, hook, self._end)

    def _end(self, trainer, pl_module, *arguments):
        if trainer.current_epoch == self.epoch and not trainer.sanity_checking:
            self.how(trainer)


def fail():
    raise RuntimeError("on purpose")


def start(tmp_path, *overrides, watchers=(), report=None):
    cfg = compose([*BASE, *overrides, f"output_root={tmp_path}"])
    try:
        return train(cfg, watchers=watchers, report=report)
    except (InterruptedRun, TrainingError) as ended:
        return ended.result


def assert_agrees(result, *, ended=True):
    """Compare each objective with what its file gives, and the last file with the number of epochs."""
    written = json.loads((result.run_dir / "result.json").read_text())
    objective = written["objective"]
    assert objective["value"] is not None
    again = evaluate(result.run_dir, split="val")
    assert again[objective["metric"]] == pytest.approx(objective["value"], abs=1e-6)
    for entry in [*written.get("folds", []), *written.get("repeats", [])]:
        if entry["checkpoint"]:
            own = evaluate(result.run_dir, split="val", checkpoint=str(result.run_dir / entry["checkpoint"]))
            assert own[objective["metric"]] == pytest.approx(entry["objective"]["value"], abs=1e-6)
    if ended:
        lasts = [read_checkpoint(path)["loops"]["fit_loop"] for path in result.run_dir.rglob("last.ckpt")]
        assert sum(last["epoch_progress"]["current"]["started"] for last in lasts) == result.epochs


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def kill_in_vain():
    """A second signal does not wait for a step."""
    raise StopRequested(signal.SIGINT)


WAYS_TO_END = {"Ctrl-C": ctrl_c, "Ctrl-C twice": kill_in_vain, "an error": fail}
MOMENTS = {
    "as an epoch starts": "on_train_epoch_start",
    "in an epoch": "on_train_batch_start",
    "as a validation starts": "on_validation_start",
    "as a validation ends": "on_validation_end",
    "as an epoch ends": "on_train_epoch_end",
}
QUICK = ("Ctrl-C in an epoch", "Ctrl-C twice as a validation ends", "an error as an epoch starts")
CUT = {
    f"{way} {moment}": pytest.param(hook, how, marks=() if f"{way} {moment}" in QUICK else pytest.mark.slow)
    for way, how in WAYS_TO_END.items()
    for moment, hook in MOMENTS.items()
}


@pytest.mark.filterwarnings("ignore:.*returned `None`, this fit will run with no optimizer")
@pytest.mark.parametrize("part", PARTS)
def test_whatever_steps_or_changes_the_weights_the_file_gives_the_figure(part, tmp_path):
    assert_agrees(start(tmp_path, *PARTS[part]))


@pytest.mark.parametrize("length", LENGTHS)
def test_however_a_run_ends_the_file_gives_the_figure(length, tmp_path):
    assert_agrees(start(tmp_path, *LENGTHS[length]))


def test_a_run_that_a_callback_stops_within_an_epoch_leaves_a_file_that_gives_the_figure(tmp_path):
    stop = Ending("on_train_batch_end", 2, lambda trainer: setattr(trainer, "should_stop", True))
    assert_agrees(start(tmp_path, watchers=[stop]))


def test_a_pruned_run_leaves_a_file_that_gives_the_figure(tmp_path):
    result = start(tmp_path, *CALLBACKS["averaging"], report=lambda epochs, value: epochs == 2)
    assert (result.status, result.epochs) == ("pruned", 2)
    assert_agrees(result)


def test_a_validation_within_an_epoch_can_be_the_best(tmp_path):
    twice = ["+task.counts=batches", "+task.best_at=4", "+trainer.val_check_interval=0.5", "data.batch_size=16"]
    result = start(tmp_path, *TASKS["lists"], "monitor.mode=max", *twice)
    assert (result.objective.value, result.objective.epoch) == (0.0, 0)
    assert read_checkpoint(result.run_dir / "checkpoints/best.ckpt")["state_dict"]["count"] == 4
    assert_agrees(result)


@pytest.mark.parametrize("several", FITS)
@pytest.mark.parametrize("part", ["lists", "averaging", "shrinking on_train_epoch_end"])
def test_the_file_of_each_fit_gives_its_figure(part, several, tmp_path):
    result = start(tmp_path, *PARTS[part], *FITS[several])
    assert len([*result.folds, *result.repeats]) == 2
    assert_agrees(result)


@pytest.mark.parametrize(("hook", "how"), CUT.values(), ids=CUT)
def test_a_run_that_is_cut_leaves_a_file_that_gives_the_figure_and_goes_on(hook, how, tmp_path):
    result = start(tmp_path, *CALLBACKS["averaging"], watchers=[Ending(hook, 2, lambda trainer: how())])
    assert result.status in ("failed", "interrupted")
    assert_agrees(result, ended=False)
    assert_agrees(resume(result.run_dir))


def test_the_log_of_a_resumed_run_goes_on_with_the_best_so_far(tmp_path):
    cut = start(tmp_path, *PARTS["lists"], watchers=[Ending("on_train_epoch_end", 2, lambda trainer: ctrl_c())])
    assert (cut.status, cut.epochs) == ("interrupted", 3)
    again = resume(cut.run_dir)
    assert again.objective.epoch == 1
    lines = [line for line in (cut.run_dir / "train.log").read_text().splitlines() if "epoch 4/4" in line]
    assert lines[-1].endswith(f"best {again.objective.value:.4g}")


@pytest.mark.filterwarnings("ignore:.*returned `None`, this fit will run with no optimizer")
@pytest.mark.parametrize("part", TASKS)
def test_steps_that_are_not_counted_are_not_taken_again(part, tmp_path):
    watchers = [Ending("on_train_batch_start", 2, lambda trainer: ctrl_c())]
    whole, cut = (start(tmp_path / name, *PARTS[part], watchers=own) for name, own in (("a", []), ("b", watchers)))
    assert cut.status == "interrupted"
    longer = resume(cut.run_dir)
    assert longer.objective == whole.objective
    lasts = [read_checkpoint(each.run_dir / "checkpoints/last.ckpt") for each in (whole, longer)]
    assert lasts[0]["state_dict"]["count"] == lasts[1]["state_dict"]["count"] == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*returned `None`, this fit will run with no optimizer")
@pytest.mark.parametrize("saving", SAVING)
@pytest.mark.parametrize("length", [each for each in LENGTHS if each != "patience"])
@pytest.mark.parametrize("part", PARTS)
def test_the_file_gives_the_figure_however_a_run_is_made_cut_and_lengthened(part, length, saving, tmp_path):
    """Cut by a signal in the third epoch where it comes to that, resumed, and lengthened."""
    overrides = [*PARTS[part], *LENGTHS[length], *SAVING[saving]]
    cut = start(tmp_path, *overrides, watchers=[Ending("on_train_batch_start", 2, lambda trainer: ctrl_c())])
    assert_agrees(cut, ended=False)
    result = resume(cut.run_dir) if cut.status == "interrupted" else cut
    assert_agrees(result)
    longer = (
        ["+trainer.max_steps=6", "trainer.max_epochs=6"]
        if length == "steps within an epoch"
        else ["trainer.max_epochs=6"]
    )
    assert_agrees(resume(cut.run_dir, longer))
