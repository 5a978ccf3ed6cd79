"""Runs that are trained as one program: how each of them ends, and what is left when the program is stopped."""

import copy
import logging
import os
import signal

import psutil
import pytest
import torch
from closeness import close
from epoch_watch import ON, watching
from fused_members import group_of
from studies import result_of

from lightune.checkpoints import read_checkpoint
from lightune.errors import ConfigError, TrainingError
from lightune.runtime import hardware
from lightune.training.fused.group import GroupedJob, TrialGroup, checkpoint_of, spans

RATES = ({"optimizer.lr": 1e-2}, {"optimizer.lr": 3e-2})


@pytest.fixture
def begin(tmp_path):
    """Begin the runs of a group in folders of their own; `first` are those that begin now, by default all."""

    def make(*variants, report=None, checkpoints=(None, None, None), first=None):
        cfgs, group = group_of(*variants)
        grouped_jobs = []
        for number, cfg in enumerate(cfgs):
            folder = tmp_path / str(number)
            folder.mkdir(exist_ok=True)
            grouped_jobs.append(GroupedJob(number, cfg, folder, report=report, checkpoint=checkpoints[number]))
        places = range(len(cfgs) if first is None else first)
        trial_group = TrialGroup(grouped_jobs[: len(places)], group, list(places), device="cpu")
        return trial_group, grouped_jobs, group

    return make


def open_files(folder):
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(folder))]


def test_each_run_ends_with_a_result_of_its_own(begin, tmp_path):
    trial_group, grouped_jobs, _ = begin(*RATES)
    assert [grouped_job.ending for grouped_job in grouped_jobs] == [None, None]
    trial_group.round()
    assert (trial_group.is_over, [grouped_job.ending for grouped_job in grouped_jobs]) == (False, [None, None])
    trial_group.train()
    assert trial_group.is_over
    for grouped_job in grouped_jobs:
        assert (grouped_job.ending.status, grouped_job.ending.epochs, grouped_job.ending.run_dir) == (
            "completed",
            2,
            grouped_job.folder,
        )
        assert result_of(grouped_job.folder)["metrics"] == grouped_job.ending.metrics
        assert "epoch 2/2" in (grouped_job.folder / "console.log").read_text()
    assert grouped_jobs[0].ending.metrics != grouped_jobs[1].ending.metrics
    assert open_files(tmp_path) == []


def test_runs_report_each_epoch_and_those_told_to_are_pruned(begin):
    told = []

    def report(number, epoch, value):
        told.append((number, epoch, value))
        return number == 0

    trial_group, grouped_jobs, _ = begin(*RATES, report=report)
    trial_group.train()
    assert [(number, epoch) for number, epoch, _ in told] == [(0, 0), (1, 0), (1, 1)]
    assert told[0][2] == grouped_jobs[0].ending.objective.value
    assert [(each.ending.status, each.ending.epochs) for each in grouped_jobs] == [("pruned", 1), ("completed", 2)]
    computed_with = [each.ending.provenance["fused"] for each in grouped_jobs]
    assert computed_with == [[[2, 1]], [[2, 1], [1, 1]]]


def test_a_run_that_fails_costs_no_other(begin):
    trial_group, grouped_jobs, _ = begin({"optimizer.lr": 1e300}, *RATES)
    trial_group.train()
    assert isinstance(grouped_jobs[0].ending, TrainingError)
    assert result_of(grouped_jobs[0].folder)["error"]["type"] == "NonFiniteLossError"
    assert [grouped_job.ending.status for grouped_job in grouped_jobs[1:]] == ["completed"] * 2


def test_a_run_takes_the_place_of_one_that_has_ended(begin):
    trial_group, grouped_jobs, group = begin(
        *RATES, {"optimizer.lr": 2e-2}, report=lambda number, *_: not number, first=2
    )
    assert trial_group.vacant == 0
    trial_group.round()
    assert (trial_group.vacant, grouped_jobs[0].ending.status) == (1, "pruned")
    assert trial_group.accepts(group.members[2])
    trial_group.add_members(grouped_jobs[2], group.members[2], group.parts[2])
    assert trial_group.vacant == 0
    trial_group.train()
    assert [(each.ending.status, each.ending.epochs) for each in grouped_jobs[1:]] == [("completed", 2)] * 2


@pytest.mark.parametrize("between", [True, False], ids=["between two epochs", "within an epoch"])
def test_what_is_stopped_is_saved_and_goes_on_as_if_it_had_been_left_alone(begin, between, tmp_path):
    def report(number, epoch, value):
        if heard:
            signal.raise_signal(heard.pop())
        return False

    heard = [signal.SIGTERM] if not between else []
    trial_group, grouped_jobs, _ = begin(*RATES, report=report)
    if between:
        trial_group.round()
        trial_group.stop()
    else:
        with pytest.raises(SystemExit) as stopped:
            trial_group.round()
        assert stopped.value.code == 128 + signal.SIGTERM
    assert [result_of(grouped_job.folder)["status"] for grouped_job in grouped_jobs] == ["interrupted"] * 2
    assert open_files(tmp_path) == []
    checkpoints = [checkpoint_of(grouped_job.folder) for grouped_job in grouped_jobs]
    assert [read_checkpoint(path)["epoch"] for path in checkpoints] == [1, 1]
    trial_group, grouped_jobs, _ = begin(*RATES, checkpoints=checkpoints)
    trial_group.train()
    assert all("going on from epoch 1" in (each.folder / "train.log").read_text() for each in grouped_jobs)
    ended = [(grouped_job.ending.epochs, grouped_job.ending.metrics) for grouped_job in grouped_jobs]
    for grouped_job in grouped_jobs:
        (grouped_job.folder / "result.json").unlink()
    trial_group, grouped_jobs, _ = begin(*RATES)
    trial_group.train()
    close(ended, [(grouped_job.ending.epochs, grouped_job.ending.metrics) for grouped_job in grouped_jobs])


def test_a_full_disk_does_not_keep_a_group_from_stopping(begin, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    trial_group, grouped_jobs, _ = begin(*RATES)
    trial_group.round()
    monkeypatch.setattr("lightune.checkpoints.write_whole", full)
    with caplog.at_level(logging.WARNING):
        trial_group.stop()
    assert "stopped without saving; they go on from the checkpoints before: [Errno 28]" in caplog.text
    assert [result_of(grouped_job.folder)["status"] for grouped_job in grouped_jobs] == ["interrupted"] * 2


def test_what_breaks_the_program_is_raised_and_leaves_no_result(begin, tmp_path):
    def report(number, epoch, value):
        raise torch.OutOfMemoryError("no room left")

    trial_group, grouped_jobs, _ = begin(*RATES, report=report)
    with pytest.raises(torch.OutOfMemoryError):
        trial_group.train()
    assert [grouped_job.ending for grouped_job in grouped_jobs] == [None, None]
    assert list(tmp_path.rglob("result.json")) == []
    assert open_files(tmp_path) == []


def test_a_run_whose_checkpoint_is_of_its_end_ends_at_once(begin):
    trial_group, grouped_jobs, _ = begin(*RATES)
    trial_group.train()
    before = [copy.deepcopy(grouped_job.ending.metrics) for grouped_job in grouped_jobs]
    trial_group, grouped_jobs, _ = begin(*RATES, checkpoints=[checkpoint_of(each.folder) for each in grouped_jobs])
    trial_group.round()
    assert trial_group.is_over
    assert [(grouped_job.ending.status, grouped_job.ending.metrics) for grouped_job in grouped_jobs] == [
        ("completed", metrics) for metrics in before
    ]


def test_a_second_signal_does_not_wait_for_the_epoch(begin):
    seen = []

    def report(number, epoch, value):
        seen.append((number, epoch))
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the second was not heard")
        return False

    trial_group, grouped_jobs, _ = begin(*RATES, report=report)
    with pytest.raises(SystemExit) as stopped:
        trial_group.train()
    assert stopped.value.code == 128 + signal.SIGINT
    assert seen == [(0, 0), (1, 0), (0, 1)]
    assert [result_of(grouped_job.folder)["status"] for grouped_job in grouped_jobs] == ["interrupted"] * 2
    assert [read_checkpoint(checkpoint_of(grouped_job.folder))["epoch"] for grouped_job in grouped_jobs] == [1, 1]


@pytest.mark.usefixtures("_watched_epochs")
def test_every_epoch_multiplies_matrices_as_a_trial_by_itself_does(study, monkeypatch):
    monkeypatch.setattr(hardware, "matmul_precision", lambda device_type, *, deterministic: "high")
    seen = []
    before = torch.get_float32_matmul_precision()
    with watching(lambda folder, epoch: seen.append(torch.get_float32_matmul_precision())):
        _, code, said = study("optimizer.lr=1e-3,1e-2", "trainer.max_epochs=3", ON)
    assert code == 0, said
    assert seen == ["high"] * 6  # of each trial in each epoch
    assert torch.get_float32_matmul_precision() == before != "high"


@pytest.mark.parametrize("step", [1, 3])
def test_a_checkpoint_of_the_middle_of_an_epoch_is_no_place_to_join_a_group(checkpoint_after, tmp_path, step):
    assert checkpoint_of(tmp_path) is None
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint_after(path, step=step)
    with pytest.raises(ConfigError, match=rf"resume +{path} is of the middle of an epoch"):
        checkpoint_of(tmp_path)


def test_a_checkpoint_of_the_end_of_an_epoch_is_where_a_run_goes_on(checkpoint_after, tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint_after(path, step=2)
    assert checkpoint_of(tmp_path) == path
    os.truncate(path, 100)
    with pytest.raises(ConfigError, match="is damaged"):
        checkpoint_of(tmp_path)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([7], "7"), ([3, 1, 2, 0], "0-3"), ([0, 1, 3, 5, 6], "0-1, 3, 5-6")],
)
def test_numbers_are_shown_as_spans(numbers, text):
    assert spans(numbers) == text
