"""Checkpoints that are damaged are named, and not gone on from."""

import random
import shutil

import pytest

from lightune import evaluate, resume
from lightune.errors import CheckpointError, ConfigError


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    place = random.Random(0).randrange(len(content) // 4, len(content) // 2)  # among the weights: it would load
    content[place] ^= 1
    path.write_bytes(content)


DAMAGES = [truncate, empty, flip_a_bit]


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    """A run that was stopped in its third epoch."""
    return tmp_path_factory.mktemp("stopped") / "run"


@pytest.fixture
def run_dir(stopped_run, cut, tmp_path):
    if not stopped_run.exists():
        shutil.copytree(cut(after=30), stopped_run)
        shutil.rmtree(tmp_path / "outputs")
    return shutil.copytree(stopped_run, tmp_path / "outputs" / "runs" / "run" / "stopped")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_checkpoint_is_named_and_the_one_before_it_gone_on_from(
    damage, run_dir, whole, assert_same, capsys
):
    last = run_dir / "checkpoints" / "last.ckpt"
    damage(last)
    assert_same(resume(run_dir), whole())
    said = capsys.readouterr().err
    assert str(last.relative_to(run_dir.parents[2])) in said
    assert "is damaged" in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_without_a_sound_checkpoint_is_refused_and_left_as_it_is(damage, run_dir, cli, contents):
    for path in (run_dir / "checkpoints").glob("*.ckpt"):
        damage(path)
    before = contents(run_dir)
    code, _, err = cli(f"resume={run_dir}")
    assert code == 2
    assert err.startswith("lightune: 2 problems, nothing was started")
    for name in ("last.ckpt", "best.ckpt"):
        assert f"{run_dir}/checkpoints/{name}: is damaged (" in err
    assert "Traceback" not in err
    assert contents(run_dir) == before
    with pytest.raises(ConfigError, match=r"last\.ckpt: is damaged"):
        resume(run_dir)


def test_a_damaged_checkpoint_is_not_measured(run_dir):
    flip_a_bit(run_dir / "checkpoints" / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"best\.ckpt: is damaged \(.*the checksum differs\)"):
        evaluate(run_dir)


def test_a_checkpoint_whose_checksum_is_gone_is_judged_by_itself(run_dir, whole, assert_same):
    for path in (run_dir / "checkpoints").glob("*.sha256"):
        path.unlink()
    assert_same(resume(run_dir), whole())
