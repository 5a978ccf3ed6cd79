import logging
import os
from pathlib import Path

import pytest
from finished_fits import finish_fit

from lightune.checkpoints import WholeCheckpointIO
from lightune.errors import ConfigError
from lightune.training.resumable_checkpoints import (
    newest_checkpoint,
    require_same_processes,
    require_sound_checkpoints,
)


def save(run_dir, name, step=1, **content):
    path = run_dir / "checkpoints" / f"{name}.ckpt"
    loops = {"fit_loop": {"epoch_loop.batch_progress": {"total": {"ready": step}}}}
    WholeCheckpointIO().save_checkpoint({"state_dict": {}, "loops": loops, **content}, path)
    return path


def truncate(path):
    path.write_bytes(path.read_bytes()[:100])


def test_a_run_that_was_cut_off_before_it_saved_has_no_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    require_sound_checkpoints(tmp_path)


@pytest.mark.parametrize(("best", "last"), [(13, 26), (26, 13)])
def test_the_checkpoint_that_came_further_is_the_newest(tmp_path, best, last):
    """A copy may have lost the times of its files."""
    newest = max((best, save(tmp_path, "best", best)), (last, save(tmp_path, "last", last)))[1]
    os.utime(newest, (0, 0))
    assert newest_checkpoint(tmp_path) == newest


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path, caplog, name):
    paths = {each: save(tmp_path, each) for each in ("best", "last")}
    truncate(paths.pop(name))
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(tmp_path) == next(iter(paths.values()))
    assert f"{name}.ckpt: is damaged" in caplog.text
    assert ("its weights are lost" in caplog.text) == (name == "best")
    require_sound_checkpoints(tmp_path)


def test_where_no_checkpoint_is_sound_each_is_named(tmp_path):
    for name in ("best", "last"):
        truncate(save(tmp_path, name))
    for ask in (newest_checkpoint, require_sound_checkpoints):
        with pytest.raises(ConfigError) as refusal:
            ask(tmp_path)
        assert [problem.key for problem in refusal.value.problems] == ["resume"] * 2
        for problem, name in zip(refusal.value.problems, ("last", "best"), strict=True):
            assert problem.message.startswith(f"{tmp_path}/checkpoints/{name}.ckpt: is damaged")


def test_best_weights_that_are_gone_are_missed_where_an_epoch_was_the_best(tmp_path, caplog):
    save(tmp_path, "last", callbacks={"BestAndLast": {"value": 0.5, "epoch": 0}})
    with caplog.at_level(logging.WARNING):
        assert newest_checkpoint(tmp_path).name == "last.ckpt"
    assert "best.ckpt: there is no such checkpoint" in caplog.text


@pytest.mark.parametrize("harm", [truncate, Path.unlink], ids=["damaged", "gone"])
def test_a_finished_fit_whose_weights_are_lost_is_to_be_trained_again(tmp_path, harm):
    folder = tmp_path / "fits" / "1"
    finish_fit(tmp_path, 1, checkpoint="fits/1/checkpoints/best.ckpt")
    save(folder, "last")
    harm(save(folder, "best"))
    with pytest.raises(ConfigError, match=rf"best\.ckpt: .*; remove {folder} to train this fit again"):
        require_sound_checkpoints(tmp_path)


@pytest.mark.parametrize(
    ("step", "refused"), [(1, True), (2, False), (3, True)], ids=["in an epoch", "between two", "in the next"]
)
def test_another_number_of_processes_does_not_go_on_in_the_middle_of_an_epoch(
    checkpoint_after, tmp_path, step, refused
):
    run_dir = tmp_path / "run"
    checkpoint_after(run_dir / "checkpoints" / "last.ckpt", step=step)
    require_same_processes(run_dir, 1)
    if not refused:
        require_same_processes(run_dir, 2)
        return
    with pytest.raises(ConfigError, match="in the middle of an epoch that 1 processes share, got 2; go on"):
        require_same_processes(run_dir, 2)
    finish_fit(tmp_path, 0)
    (run_dir / "fit.json").write_text((tmp_path / "fits" / "0" / "fit.json").read_text())
    require_same_processes(run_dir, 2)  # a fit that is finished goes on nowhere
