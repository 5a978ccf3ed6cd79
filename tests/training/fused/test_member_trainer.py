"""A member of a fused group leaves what the same ordinary run leaves."""

import logging
from types import SimpleNamespace

import pytest
import torch
from closeness import close
from curves import curves
from fused_members import group_of
from pytorch_lightning import Callback
from rich.console import Console
from studies import result_of

from lightune import evaluate, resume
from lightune.callbacks.finite import NonFiniteLossError
from lightune.callbacks.randomness import RANDOM_STATE
from lightune.checkpoints import read_checkpoint
from lightune.errors import TrainingError
from lightune.training.fit import Fit
from lightune.training.fused.build_loop import build_loop
from lightune.training.fused.member_log import LogRouter
from lightune.training.fused.member_trainer import MemberRandomness, MemberTrainer

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.lr=1e-3,3e-2", "seed=0,1", "model.dropout=0.3"),
        ("optimizer=sgd", "optimizer.momentum=0.0,0.9", "scheduler=warmup_cosine", "regularization.l2=0.0,1e-3"),
        ("optimizer.lr=3e-2,1e-5", "callbacks.early_stopping.patience=1", "scheduler=plateau", "logger=csv"),
    ],
    ids=["seeds and dropout", "a schedule of steps", "early stopping"],
)
def test_a_member_leaves_what_the_same_run_alone_leaves(sweep, overrides):
    together, code, said = sweep("fused", *overrides)
    assert (code, "as one program" in said) == (0, True)
    alone, _, _ = sweep("basic", *overrides)
    for ours, theirs in zip(sorted(together.iterdir()), sorted(alone.iterdir()), strict=True):
        one, other = result_of(ours), result_of(theirs)
        differing = ("seconds", "samples_per_second", "provenance")
        for name in one.keys() - set(differing):
            close(one[name], other[name])
        assert one["seconds"].keys() == other["seconds"].keys()
        assert one["provenance"]["data"] == other["provenance"]["data"]
        assert [p.name for p in sorted((ours / ".hydra").iterdir())] == [
            "config.yaml",
            "hydra.yaml",
            "overrides.yaml",
        ]
        assert (ours / ".hydra/config.yaml").read_text() == (theirs / ".hydra/config.yaml").read_text()
        close(curves(ours), curves(theirs))
        if (ours / "metrics.csv").exists():
            heads = [(trial / "metrics.csv").read_text().splitlines() for trial in (ours, theirs)]
            assert [len(head) for head in heads] == [len(heads[0])] * 2
            assert sorted(heads[0][0].split(",")) == sorted(heads[1][0].split(","))
        for name in ("best", "last"):
            left, right = (read_checkpoint(trial / "checkpoints" / f"{name}.ckpt") for trial in (ours, theirs))
            for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
                close(left[key], right[key], 1e-5)
            assert torch.equal(left["random_state"][0]["torch"], right["random_state"][0]["torch"])
        assert evaluate(ours) == pytest.approx(evaluate(theirs), rel=1e-5)


def test_a_member_can_be_made_longer_alone(sweep):
    together, _, _ = sweep("fused", "optimizer.lr=1e-3,1e-2", "model.dropout=0.2")
    alone, _, _ = sweep("basic", "optimizer.lr=1e-3,1e-2", "model.dropout=0.2")
    ours, theirs = (resume(folder / "1", ["trainer.max_epochs=6"]) for folder in (together, alone))
    assert (ours.epochs, ours.steps) == (theirs.epochs, theirs.steps) == (6, 120)
    close(ours.metrics, theirs.metrics, 1e-5)
    close(curves(together / "1"), curves(alone / "1"), 1e-5)


def test_a_loss_that_is_no_number_fails_that_member_only(sweep):
    together, code, said = sweep("fused", "optimizer=sgd", "optimizer.lr=1e-2,1e30,3e-2", "trainer.max_epochs=2")
    assert (code, "as one program" in said) == (1, True)  # Hydra's own sweeper ends with what failed
    results = [result_of(together / str(number)) for number in range(3)]
    assert [result["status"] for result in results] == ["completed", "failed", "completed"]
    assert results[1]["error"]["type"] == "NonFiniteLossError"
    assert (together / "1" / results[1]["error"]["traceback_file"]).exists()
    alone, _, _ = sweep("basic", "optimizer=sgd", "optimizer.lr=1e30", "trainer.max_epochs=2")
    assert results[1]["error"]["message"] == result_of(alone / "0")["error"]["message"]
    assert results[1]["steps"] == result_of(alone / "0")["steps"]


class Recorded:
    """Keep what a member's fit is recorded in."""

    ending = "completed"

    def __init__(self):
        self.current, self.finished, self.loggers, self.reported = None, [], None, []

    def open_session(self, loggers):
        self.loggers = loggers

    def report(self, status, error=None):
        self.reported.append((status, error))
        return SimpleNamespace(error=None, status=status, run_dir=self.current.folder)


class Lived(Callback):
    """Note when each hook was called, and what was measured then."""

    def __init__(self):
        self.seen = []

    def _note(self, name, trainer):
        measured = trainer.callback_metrics.get("val/loss")
        self.seen.append((name, trainer.current_epoch, trainer.global_step, measured is not None))

    def on_train_start(self, trainer, pl_module):
        self._note("begins", trainer)

    def on_train_epoch_start(self, trainer, pl_module):
        self._note("epoch", trainer)

    def on_validation_end(self, trainer, pl_module):
        self._note("validated", trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self._note("judged", trainer)

    def on_train_end(self, trainer, pl_module):
        self._note("ends", trainer)


class OneMember:
    """A group of one, and the trainer of its member."""

    def __init__(self, folder, values, report, content):
        (self.cfg,), group = group_of(values)
        (self.member,), (parts,) = group.members, group.parts
        self.member.checkpoint = content
        self.record, self.lived, self.file = Recorded(), Lived(), logging.FileHandler(folder / "train.log")
        randomness = MemberRandomness()
        fit = Fit(
            self.cfg,
            parts.data,
            parts.task,
            parts.plans[0],
            folder=folder,
            run_dir=folder,
            console=Console(quiet=True),
            watchers=[randomness, self.lived],
        )
        self.trainer = MemberTrainer(
            self.member, fit, self.record, randomness, report=report, router=LogRouter(), file=self.file
        )
        self.loop = build_loop(
            self.cfg,
            [self.member],
            device="cpu",
            on_round_start=lambda members: self.trainer.start_epoch(self.member.epochs),
            on_epoch_end=self.trainer.end_epoch,
        )
        self.trainer.start(self.loop, content)


@pytest.fixture
def begin(tmp_path):
    """Begin a member that trains two epochs of three steps, from scratch or from a checkpoint."""

    begun = []

    def make(*, report=None, content=None, **values):
        values = {"optimizer.lr": 1e-2, "data.batch_size": 60, **values}
        begun.append(OneMember(tmp_path, values, report, content))
        return begun[-1]

    yield make
    for one in begun:
        one.trainer.abandon()


def test_callbacks_live_through_a_training_that_others_take_the_steps_of(begin):
    one = begin()
    assert one.record.current is one.trainer.fit
    assert one.record.loggers == one.trainer.trainer.loggers
    while one.loop.active:
        one.loop.round()
    one.trainer.save_end()
    steps = one.member.steps // 2
    assert one.lived.seen == [
        ("begins", 0, 0, False),
        ("epoch", 0, 0, False),
        ("validated", 0, steps, True),
        ("judged", 0, steps, True),
        ("epoch", 1, steps, True),
        ("validated", 1, 2 * steps, True),
        ("judged", 1, 2 * steps, True),
        ("ends", 2, 2 * steps, True),
    ]
    assert one.trainer.end().status == "completed"
    assert [(fit.epochs, fit.steps) for fit in one.record.finished] == [(2, 2 * steps)]
    assert one.record.reported == [("completed", None)]


def test_the_time_of_a_member_is_its_share_of_the_groups(begin):
    one = begin()
    one.loop.round()
    record = one.trainer.fit.record
    assert (record.train_seconds, record.validate_seconds) == (
        one.member.train_seconds,
        one.member.validate_seconds,
    )
    assert record.samples_per_second == pytest.approx(one.member.data.sizes["train"] / record.train_seconds)
    one.trainer.save_now()
    again = begin(content=read_checkpoint(one.trainer.fit.folder / "checkpoints" / "last.ckpt"))
    again.loop.round()
    assert again.trainer.fit.record.train_seconds > again.member.train_seconds


def test_a_member_that_reports_a_poor_epoch_is_pruned(begin):
    told = []
    one = begin(report=lambda epoch, value: told.append((epoch, value)) or True)
    one.loop.round()
    assert (one.loop.active, one.member.epochs) == ([], 1)
    assert told == [(0, one.trainer.fit.record.best.value)]
    one.trainer.save_end()
    assert one.trainer.end().status == "pruned"


def test_a_member_that_stops_by_itself_reports_nothing_more(begin):
    told = []
    one = begin(report=lambda epoch, value: told.append(epoch))
    one.trainer.trainer.should_stop = True
    one.loop.round()
    assert (one.loop.active, told) == ([], [])


def test_a_checkpoint_holds_the_weights_and_random_numbers_of_the_program(begin):
    one = begin(**{"model.dropout": 0.2})
    last = one.trainer.fit.folder / "checkpoints" / "last.ckpt"
    one.trainer.save_now()
    assert not last.exists()  # it has not begun
    before = {name: value.clone() for name, value in one.trainer.fit.task.state_dict().items()}
    one.loop.round()
    one.trainer.save_now()
    saved, held = read_checkpoint(last), one.loop.snapshot(one.member)
    assert (saved["epoch"], saved["global_step"]) == (1, one.member.steps)
    weights = {f"model.{name}": value for name, value in held.weights.items()}
    assert weights
    assert all(torch.equal(saved["state_dict"][name], value) for name, value in weights.items())
    assert not all(torch.equal(saved["state_dict"][name], before[name]) for name in weights)
    assert torch.equal(saved[RANDOM_STATE][0]["torch"], one.loop.generator_of(one.member).get_state())


def test_a_best_epoch_that_is_written_later_is_as_it_was(begin):
    values = {"model.dropout": 0.2, "monitor.metric": "val/loss", "monitor.mode": "max"}
    at_once = begin(**values)
    at_once.loop.round()  # the loss is the highest after the first epoch
    at_once.trainer.save_now()
    later = begin(**values, **{"callbacks.checkpoint.every_seconds": 1000})
    best = later.trainer.fit.folder / "checkpoints" / "best.ckpt"
    then = read_checkpoint(best)
    best.unlink()
    while later.loop.active:
        later.loop.round()
    assert not best.exists()
    later.trainer.save_end()
    saved, last = read_checkpoint(best), read_checkpoint(best.with_name("last.ckpt"))
    for key in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers"):
        close(saved[key], then[key], 0.0, 0.0)
    assert saved["optimizer_states"][0]["state"]
    for name in ("BestAndLast", "EarlyStopping"):
        assert [state for key, state in saved["callbacks"].items() if key.startswith(name)] == [
            state for key, state in then["callbacks"].items() if key.startswith(name)
        ]
    assert torch.equal(saved[RANDOM_STATE][0]["torch"], then[RANDOM_STATE][0]["torch"])
    assert (last["epoch"], last["global_step"], later.trainer.trainer.global_step) == (2, later.member.steps, 6)
    generator = later.loop.generator_of(later.member)
    assert torch.equal(last[RANDOM_STATE][0]["torch"], generator.get_state())


def test_a_group_may_set_how_often_its_members_save(begin):
    one = begin()
    one.trainer.pause_between_saves(7.0)
    assert [each.pause for each in one.trainer.trainer.checkpoint_callbacks] == [7.0]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ({"bad_loss": (2, float("nan"))}, "the training loss became nan at step 2"),
        ({"bad_weights": True}, "the weights became non-finite at step 6"),
    ],
)
def test_a_member_that_diverges_keeps_its_best_and_fails(begin, harm, said):
    one = begin(**{"callbacks.checkpoint.every_seconds": 1000})
    while one.loop.active:
        one.loop.round()
    for name, value in harm.items():
        setattr(one.member, name, value)
    one.trainer.save_end()
    assert [path.name for path in (one.trainer.fit.folder / "checkpoints").glob("*.ckpt")] == ["best.ckpt"]
    with pytest.raises(TrainingError):
        one.trainer.end()
    ((status, error),) = one.record.reported
    assert (status, type(error)) == ("failed", NonFiniteLossError)
    assert said in str(error)
    assert one.record.finished == []
    assert one.file.stream is None


def test_a_member_that_is_interrupted_is_reported_as_such_and_one_that_is_left_to_itself_is_not(begin):
    one, other = begin(), begin()
    one.trainer.interrupt()
    other.trainer.abandon()
    assert (one.record.reported, other.record.reported) == ([("interrupted", None)], [])
    assert (one.file.stream, other.file.stream) == (None, None)


@pytest.mark.parametrize("state", [torch.arange(3), None], ids=["its own", "the process's"])
def test_a_checkpoint_keeps_a_members_own_stream_of_random_numbers(state):
    randomness, checkpoint = MemberRandomness(), {RANDOM_STATE: [{"torch": "the process's", "python": 1}]}
    randomness.state = None if state is None else lambda: state
    randomness.on_save_checkpoint(None, None, checkpoint)
    assert checkpoint[RANDOM_STATE] == [{"torch": "the process's" if state is None else state, "python": 1}]
