"""The fits of a run while they are one program: how each ends, and what is left when the program is stopped."""

import signal
from types import SimpleNamespace

import psutil
import pytest
import torch
from closeness import close
from rich.console import Console

from lightune import compose
from lightune.callbacks.finite import NonFiniteLossError
from lightune.checkpoints import read_checkpoint
from lightune.config.build import build_fit
from lightune.engine.fused.loop import FusedLoop, Member
from lightune.errors import StopRequested
from lightune.reporting.fits import FitResult, read_fit
from lightune.run import prepare
from lightune.runtime.quiet import quiet
from lightune.training.context import RunContext
from lightune.training.fused.fold_group import FoldGroup, Start, is_superseded
from lightune.training.fused.group import checkpoint_of
from lightune.training.run_record import RunRecord

SHORT = ("trainer=cpu", "data=wine", "trainer.max_epochs=2", "model.units=4", "trainer.precision=64-true")
FOLDS = ("validation=kfold", "validation.k=3", "callbacks.checkpoint.every_seconds=0")


@pytest.fixture(autouse=True)
def _quiet():
    with quiet(verbose=False):
        yield


@pytest.fixture
def begin(tmp_path):
    """Begin the folds of a run in its folder, as one program."""

    def make(*overrides, starts=None):
        cfg = compose([*SHORT, *FOLDS, *overrides])
        parts, folder = prepare(cfg), tmp_path / "run"
        folder.mkdir(exist_ok=True)
        context = RunContext(cfg, parts, folder, Console(quiet=True))
        members = []
        for plan in parts.plans:
            data = parts.data.undivided()
            members.append(Member(build_fit(cfg, data, plan), data, plan.seed))
        starts = starts or dict.fromkeys(range(3), Start())
        record = RunRecord(context)
        group = FoldGroup(context, record, parts.plans, members, starts, "cpu")
        return SimpleNamespace(group=group, members=members, context=context, record=record, folder=folder)

    return make


def fit_folders(one):
    return [one.folder / "fits" / str(index) for index in range(3)]


def open_files(folder):
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(folder))]


def test_each_fit_ends_with_a_result_in_a_folder_of_its_own(begin, tmp_path):
    one = begin()
    assert one.group.endings == {}
    one.group.train()
    assert list(one.group.endings) == [0, 1, 2]
    for folder, (index, ending) in zip(fit_folders(one), one.group.endings.items(), strict=True):
        assert read_fit(folder) == ending
        assert (ending.index, ending.status, ending.epochs) == (index, "completed", 2)
        assert (one.folder / ending.checkpoint).is_file()
        assert list(folder.glob("events.*"))
    assert len({ending.metrics["train/loss"] for ending in one.group.endings.values()}) == 3
    assert one.record.current.plan.index == 2
    assert open_files(tmp_path) == []


def test_fits_that_stop_early_end_by_themselves(begin):
    one = begin("optimizer.lr=1e-9", "callbacks.early_stopping.patience=1", "trainer.max_epochs=5")
    one.group.train()
    assert {(ending.status, ending.epochs) for ending in one.group.endings.values()} == {("early_stopped", 2)}


def test_a_fit_that_fails_ends_those_after_it_which_would_not_have_been_trained(begin, tmp_path):
    one = begin("trainer.max_epochs=5")
    one.members[1].bad_loss = (1, float("nan"))
    one.group.train()
    assert list(one.group.endings) == [0, 1]
    assert isinstance(one.group.endings[0], FitResult)
    assert isinstance(one.group.endings[1], NonFiniteLossError)
    assert [read_fit(folder) is not None for folder in fit_folders(one)] == [True, False, False]
    assert [member.epochs for member in one.members] == [5, 0, 2]  # it stops after its next epoch
    assert open_files(tmp_path) == []


def after_each_round(monkeypatch, happens):
    train_a_round = FusedLoop.round

    def observed(loop):
        train_a_round(loop)
        happens()

    monkeypatch.setattr(FusedLoop, "round", observed)


def test_a_signal_saves_all_of_them_and_each_goes_on_from_there(begin, monkeypatch, tmp_path, caplog):
    whole = begin("callbacks.checkpoint.every_seconds=1000")
    whole.group.train()
    one = begin("callbacks.checkpoint.every_seconds=1000")
    with monkeypatch.context() as patched:
        after_each_round(patched, lambda: signal.raise_signal(signal.SIGTERM))
        with one.context.interruption.watching(), pytest.raises(StopRequested):
            one.group.train()
    assert one.group.endings == {}
    assert open_files(tmp_path) == []
    starts = {index: Start(checkpoint_of(folder), 1) for index, folder in enumerate(fit_folders(one))}
    assert [read_checkpoint(start.checkpoint)["epoch"] for start in starts.values()] == [1, 1, 1]
    again, rounds = begin(starts=starts), []
    after_each_round(monkeypatch, lambda: rounds.append(1))
    with caplog.at_level("INFO"):
        again.group.train()
    assert len(rounds) == 1
    assert caplog.text.count("going on from epoch 1") == 3
    for index, ending in again.group.endings.items():
        close(ending.metrics, whole.group.endings[index].metrics, 1e-5)
        assert (ending.epochs, ending.steps) == (2, whole.group.endings[index].steps)


def test_what_breaks_the_program_is_raised_and_leaves_no_fit_finished(begin, monkeypatch, tmp_path):
    def break_down():
        raise torch.OutOfMemoryError("no room left")

    one = begin()
    after_each_round(monkeypatch, break_down)
    with pytest.raises(torch.OutOfMemoryError):
        one.group.train()
    assert one.group.endings == {}
    assert [read_fit(folder) for folder in fit_folders(one)] == [None] * 3
    assert open_files(tmp_path) == []


def test_a_fit_that_was_trained_to_its_end_before_ends_at_once(begin):
    first = begin()
    first.group.train()
    done = first.group.endings[1]
    again = begin(
        starts={0: Start(), 1: Start(fit_folders(first)[1] / "checkpoints" / "last.ckpt", 2), 2: Start()}
    )
    again.group.train()
    assert again.members[1].steps == done.steps
    assert again.group.endings[1].metrics == done.metrics
    assert [ending.epochs for ending in again.group.endings.values()] == [2, 2, 2]


@pytest.mark.parametrize(
    ("index", "failed", "expected"), [(2, 1, True), (1, 1, False), (0, 1, False), (2, None, False)]
)
def test_fits_after_one_that_failed_are_superseded(index, failed, expected):
    endings = {each: "a result" for each in range(3) if each != index}
    if failed is not None:
        endings[failed] = RuntimeError()
    assert is_superseded(SimpleNamespace(index=index), endings) == expected
