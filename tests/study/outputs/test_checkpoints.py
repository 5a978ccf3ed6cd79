"""Which trials of a study keep their checkpoints."""

from types import SimpleNamespace

import pytest
from studies import rows

from lightune.checkpoints import read_checkpoint
from lightune.errors import CheckpointError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.observer import Ending
from lightune.study.outputs.checkpoints import KeptCheckpoints, trials_to_strip
from lightune.study.storage.records import TrialRecord

MOST, LEAST = Objective("val/accuracy", "max"), Objective("parameters", "min")
STATES = {"c": "completed", "e": "early_stopped", "p": "pruned", "f": "failed", "r": "running"}


def records(*trials):
    """Make records of trials: a letter for the state, a value and a point."""
    return [
        TrialRecord(
            number, STATES[state], None if value is None else (value,), point, 1.0, f"trials/{number}", None
        )
        for number, (state, value, point) in enumerate(trials)
    ]


def stripped(trials, keep, best=(), objectives=(MOST,), *, whole=True):
    return [trial.number for trial in trials_to_strip(trials, best, keep, objectives, whole=whole)]


SOME = records(("c", 0.5, {}), ("p", None, {}), ("e", 0.7, {}), ("f", None, {}), ("r", None, {}), ("c", 0.7, {}))


@pytest.mark.parametrize(
    ("keep", "gone"),
    [("all", []), ("none", [0, 1, 2, 5]), ("best:1", [0, 1, 5]), ("best:2", [0, 1]), ("best:9", [1])],
)
def test_the_best_keep_theirs_and_so_does_what_may_go_on(keep, gone):
    assert stripped(SOME, keep, best=[2]) == gone


def test_the_least_is_the_best_where_less_is_better():
    assert stripped(SOME, "best:1", objectives=[LEAST]) == [1, 2, 5]


def test_of_several_objectives_the_front_keeps_theirs():
    assert stripped(SOME, "best:1", best=[0, 2], objectives=[MOST, LEAST]) == [1, 5]


def test_of_swept_seeds_all_of_the_best_point_are_kept_and_nothing_goes_before_it_is_known():
    points = [{"x": x, "seed": seed} for x in "ab" for seed in "01"]
    trials = records(*(("c", value, point) for value, point in zip((0.6, 0.6, 0.9, 0.1), points, strict=True)))
    assert stripped(trials, "best:1", best=[0], whole=False) == []
    assert stripped(trials, "best:1", best=[0]) == [2, 3]


@pytest.fixture
def kept(tmp_path):
    """Make trials with checkpoints, let a study keep some; return the trials that have all of theirs."""
    for number in range(3):
        for home in (
            tmp_path / "trials" / str(number) / "checkpoints",
            tmp_path / f"trials/{number}/fits/0/checkpoints",
        ):
            home.mkdir(parents=True)
            for name in ("best.ckpt", "best.ckpt.sha256", "mine.txt"):
                (home / name).write_text("x")
        (tmp_path / "trials" / str(number) / "result.json").write_text("{}")
    trials = records(("c", 0.5, {}), ("c", 0.7, {}), ("p", None, {}))

    def let(keep):
        store = SimpleNamespace(
            settings=Settings((MOST,), keep_checkpoints=keep), n_trials=3, folder=tmp_path,
            records=lambda: trials, best=lambda: [trials[1]],
        )  # fmt: skip
        return KeptCheckpoints(store, every=0.0), Ending(trials=trials, best=[trials[1]])

    let.left = lambda: sorted(path.parts[-3] for path in tmp_path.glob("trials/*/checkpoints/best.ckpt"))
    return let


def test_checkpoints_are_removed_when_a_trial_has_ended_and_at_the_end(kept, tmp_path):
    keeper, ending = kept("best:1")
    keeper.tick()
    assert kept.left() == ["0", "1", "2"]
    keeper.trial_ended(ending.trials[0])
    keeper.tick()
    assert kept.left() == ["1"]
    assert [path.name for path in sorted((tmp_path / "trials/0/checkpoints").iterdir())] == [
        "mine.txt",
        "removed.txt",
    ]
    assert not (tmp_path / "trials/0/fits/0/checkpoints/best.ckpt").exists()
    keeper, ending = kept("none")
    keeper.study_ended(ending)
    assert kept.left() == []
    with pytest.raises(CheckpointError, match=r"search.keep_checkpoints .* from=RUN .* trains it again"):
        read_checkpoint(tmp_path / "trials/1/checkpoints/best.ckpt")


def test_all_are_kept_and_files_of_others_too(kept, tmp_path):
    keeper, ending = kept("all")
    keeper.study_ended(ending)
    (tmp_path / "trials/2/result.json").unlink()  # of a task that is not ours
    keeper, ending = kept("none")
    keeper.study_ended(ending)
    assert kept.left() == ["2"]


@pytest.mark.long
def test_a_study_keeps_those_of_the_best_and_goes_on_as_the_same(cli, tmp_path):
    words = ["-m", "hydra/launcher=basic", "data=wine", "model.units=4", "trainer.max_epochs=1", "logger=none",
             "search.study=s", "search=random", "optimizer.lr=interval(0.01,0.1)"]  # fmt: skip
    study = tmp_path / "outputs" / "studies" / "s"

    def left():
        return {path.parts[-3] for path in study.glob("trials/*/checkpoints/best.ckpt")}

    assert cli(*words, "search.n_trials=3").code == 0
    assert left() == {"0", "1", "2"}
    assert cli(*words, "search.n_trials=4", "search.keep_checkpoints=best:1").code == 0
    best = max(rows(study), key=lambda row: float(row["val/accuracy"]))["number"]
    assert left() == {best}
    assert cli(*words, "search.n_trials=4", "search.keep_checkpoints=none").code == 0
    assert left() == set()
