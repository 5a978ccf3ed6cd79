"""What finished work takes on disk, by what one loses with it."""

import pytest
from reported_studies import write_by_rate, write_result

from lightune.errors import ConfigError
from lightune.report.disk_use import Item, item_of_folder, items_of_run, items_of_study
from lightune.training.run_owner import only_owner


def write_checkpoints(folder, *names, size=100):
    home = folder / "checkpoints"
    home.mkdir(parents=True, exist_ok=True)
    for name in names:
        (home / f"{name}.ckpt").write_bytes(b"x" * size)
        (home / f"{name}.ckpt.sha256").write_bytes(b"y" * 10)


def found(items):
    return [(item.kind, item.folder.name, item.files, item.bytes) for item in items]


@pytest.mark.parametrize("status", ["completed", "early_stopped", "pruned"])
def test_of_a_finished_run_the_last_checkpoint_or_both(tmp_path, status):
    run = write_result(tmp_path / "a", 0.9, status=status)
    write_checkpoints(run, "best", "last")
    write_checkpoints(run / "fits" / "0", "best", "last")
    assert found(items_of_run(run, status)) == [("last", "a", 4, 220), ("checkpoints", "a", 8, 440)]


def test_a_last_checkpoint_without_a_best_is_not_the_lesser(tmp_path):
    run = write_result(tmp_path / "a", 0.9)
    write_checkpoints(run, "last")
    assert found(items_of_run(run, "completed")) == [("checkpoints", "a", 2, 110)]


@pytest.mark.parametrize(
    ("status", "kind"), [("failed", "failed"), ("interrupted", "unfinished"), ("unfinished", "unfinished")]
)
def test_of_a_run_that_is_not_finished_all_or_nothing(tmp_path, status, kind):
    run = write_result(tmp_path / "a", 0.9, status=status)
    write_checkpoints(run, "last")
    [item] = items_of_run(run, status)
    assert (item.kind, item.files) == (kind, 4)
    item.remove()
    assert not run.exists()


def test_a_run_that_goes_on_meanwhile_stays(tmp_path):
    run = write_result(tmp_path / "a", 0.9, status="interrupted")
    [item] = items_of_run(run, "interrupted")
    with only_owner(run), pytest.raises(ConfigError, match="is at work in another process"):
        item.remove()
    assert (run / "result.json").exists()


def test_of_a_study_the_best_trial_keeps_its_best_checkpoint(tmp_path):
    study = write_by_rate(tmp_path / "study", 3)
    for number in range(3):
        write_checkpoints(study / "trials" / str(number), "best", "last")
    items = list(items_of_study(study))
    assert sorted(item.folder.name for item in items if item.kind == "last") == ["0", "1", "2"]
    stripped = sorted(item.folder.name for item in items if item.kind == "checkpoints")
    assert len(stripped) == 2
    for item in items:
        item.remove()
    left = [path.relative_to(study).parts[1] for path in study.rglob("*.ckpt")]
    assert left == sorted({"0", "1", "2"} - set(stripped))
    assert (study / "trials" / "0" / "result.json").exists()


def test_nothing_is_counted_or_removed_through_a_link(tmp_path):
    precious = tmp_path / "precious"
    write_checkpoints(precious, "best", "last")
    run = write_result(tmp_path / "a", 0.9)
    (run / "checkpoints").symlink_to(precious / "checkpoints")
    with pytest.raises(ConfigError, match="is a link to"):
        list(items_of_run(run, "completed"))
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "link").symlink_to(precious)
    assert item_of_folder("cache", cache).files == 1
    Item("cache", cache, 1, 1).remove()
    assert len(list(precious.rglob("*.ckpt"))) == 2
