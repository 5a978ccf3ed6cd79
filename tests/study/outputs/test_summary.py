"""What a study prints when it has ended, or has nothing left to do."""

import os
import signal
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from lightune.study.definition.settings import Objective, Settings
from lightune.study.messages import LIGHTUNE, OTHERS
from lightune.study.observer import Ending
from lightune.study.outputs.summary import print_ending, print_finished
from lightune.study.space.reader import read_space
from lightune.study.storage.records import TrialRecord

LISTED, INTERVAL = read_space(["x=1,2,3"]), read_space(["x=interval(0,1)"])
TPE, GRID = ({"_target_": f"optuna.samplers.{name}Sampler"} for name in ("TPE", "Grid"))
EXTEND = "give a larger search.n_trials on the command line to extend it, or start another with search.study=NAME"
COMPLETE = "its grid is complete; start another with search.study=NAME"


def trial(number, state="completed", value=0.25, error=None, folder=None):
    values = None if value is None else (value,)
    return TrialRecord(number, state, values, {"x": "1"}, 1.5, folder or f"trials/{number}", error)


def failed(number):
    return trial(number, "failed", None, f"ValueError: {number}")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a study that keeps what it prints in `said`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s" / "trials" / "0").mkdir(parents=True)

    def made(*, space=LISTED, **settings):
        said = []
        settings = Settings(**{"objectives": (Objective("val/loss", "min"),), **settings})
        return SimpleNamespace(
            folder=tmp_path / "s",
            config=OmegaConf.create({"logger": {}}),
            space=space,
            settings=settings,
            print_line=said.append,
            said=said,
        )

    return made


def store(*trials, n_trials=3, best=(), is_grid=False, n_missing=0):
    return SimpleNamespace(
        records=lambda: trials, best=lambda: best, n_trials=n_trials, is_grid=is_grid, n_missing=n_missing
    )


@pytest.mark.parametrize(
    ("space", "sampler", "n_trials", "how"),
    [
        (LISTED, None, 3, COMPLETE),
        (LISTED, GRID, 3, COMPLETE),
        (LISTED, None, 2, EXTEND),
        (LISTED, TPE, 3, EXTEND),
        (INTERVAL, None, 3, EXTEND),
    ],
)
def test_a_finished_study_says_how_to_have_more(study, space, sampler, n_trials, how):
    made = study(space=space, sampler=sampler)
    trials = [trial(number) for number in range(n_trials)]
    print_finished(made, store(*trials, n_trials=n_trials, is_grid=sampler is not TPE))
    assert made.said == [f"study s is finished ({n_trials} of {n_trials} trials): {how}"]


def test_a_study_with_curves_says_how_to_see_them_alone(study):
    made = study()
    made.config.logger = {"board": {"_target_": "lightune.reporting.tensorboard.TensorBoard"}}
    print_finished(made, store(trial(0), n_trials=1))
    assert made.said[-1] == "curves: tensorboard --logdir s"


def test_a_finished_study_of_another_application_names_its_keys(study):
    made = study(vocabulary=OTHERS, sampler=TPE)
    print_finished(made, store(trial(0), n_trials=1))
    assert made.said[0].endswith(
        "give a larger hydra.sweeper.n_trials on the command line to extend it, "
        "or start another with hydra.sweep.dir=FOLDER"
    )


def test_a_finished_study_counts_what_failed_and_what_is_more_than_was_wanted(study):
    made = study()
    print_finished(made, store(trial(0), failed(1), failed(2), n_trials=2))
    assert made.said[0].startswith("study s is finished (3 trials, 2 of them failed): ")


def test_the_best_trial_is_shown_with_its_folder(study, tmp_path):
    made = study()
    print_finished(made, store(trial(0), best=[trial(0)]))
    assert made.said[1:] == ["best: trial 0  completed  val/loss 0.25  1.5 s  x=1  s/trials/0"]


def test_a_front_is_shown_as_one_and_folders_that_are_gone_are_said_to_be(study):
    made = study()
    print_ending(made, Ending(trials=[trial(0), trial(1)], best=[trial(0), trial(1, value=0.5)]), store())
    assert made.said[1:] == [
        "Pareto front of 2 trials: trial 0  completed  val/loss 0.25  1.5 s  x=1  s/trials/0",
        "      trial 1  completed  val/loss 0.5  1.5 s  x=1  s/trials/1 (deleted)",
    ]


def test_the_folder_is_named_from_where_one_stands(study, tmp_path, monkeypatch):
    made = study()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    print_ending(made, Ending(trials=[trial(0)], best=[trial(0)]), store())
    assert made.said[1].endswith(f"  {os.pardir}/s/trials/0")


def test_an_ending_counts_what_is_over(study):
    trials = [trial(0), trial(1, "early_stopped"), trial(2, "pruned"), failed(3), trial(4, "running", None)]
    made = study()
    print_ending(made, Ending(trials=trials, best=[]), store(*trials, n_trials=9))
    assert made.said == ["study s: 4 of 9 trials finished, 1 pruned, 1 failed"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"signal": signal.SIGINT}, "stopped; the same command goes on from here"),
        ({"signal": signal.SIGTERM, "timed_out": True}, "stopped; the same command goes on from here"),
        ({"timed_out": True}, "search.timeout is over; the same command goes on from here"),
    ],
)
def test_a_study_that_is_not_at_its_end_says_why_and_how_to_go_on(study, how, said):
    made = study(vocabulary=LIGHTUNE)
    print_ending(made, Ending(trials=[trial(0)], best=[], **how), store())
    assert made.said[1:] == [said]


@pytest.mark.parametrize(
    ("trials", "how", "said"),
    [
        (
            [failed(0), failed(1)],
            {},
            "failed: no trial has a result (2 failed); the last was trial 1: ValueError: 1",
        ),
        (
            [trial(0), failed(1)],
            {"too_many_failures": True},
            "failed: 1 trial failed, more than search.max_failures=0 allows; the last was trial 1: ValueError: 1",
        ),
    ],
)
def test_a_study_that_came_to_nothing_says_why(study, trials, how, said):
    made = study(max_failures=0)
    print_ending(made, Ending(trials=trials, best=[], **how), store())
    assert made.said[1:] == [said]


@pytest.mark.parametrize(
    ("trials", "how"), [([trial(0), failed(1)], {}), ([failed(0)], {"signal": signal.SIGINT})]
)
def test_failures_that_are_tolerated_or_come_with_a_signal_are_only_counted(study, trials, how):
    made = study()
    print_ending(made, Ending(trials=trials, best=[], **how), store())
    assert not any(line.startswith("failed: ") for line in made.said)
    assert "1 failed" in made.said[0]


@pytest.fixture
def asked(open_store):
    """Return what is said of a study that has ended, and of one that is finished."""

    def call(*words, vocabulary=None, **settings):
        store = open_store(*words, **settings)
        lines = []
        about = Settings(
            objectives=(Objective(None, "min"),), **({"vocabulary": vocabulary} if vocabulary else {})
        )
        study = SimpleNamespace(
            settings=about,
            config=OmegaConf.create(),
            space=store.space,
            folder=store.folder,
            print_line=lines.append,
        )
        print_ending(study, Ending(trials=[], best=[]), store)
        ending, lines[:] = list(lines), []
        print_finished(study, store)
        return [line for line in ending if "asks for" in line], [line for line in lines if "asks for" in line]

    return call


@pytest.mark.parametrize(
    ("words", "settings", "line"),
    [
        (
            ["x=1,2"],
            {},
            "search.n_trials=10 asks for more: the grid has 2 points, each of them tried once; sweep an interval, "
            "or choose search=tpe",
        ),
        (["x=1", "y=choice(2)"], {}, "search.n_trials=10 asks for more: the grid has one point; sweep"),
        (["x=1"], {}, "search.n_trials=10 asks for more: nothing is swept, so there is one trial; name what"),
        (["x=1,2"], {"vocabulary": OTHERS}, "hydra.sweeper.n_trials=10 asks for more: the grid has 2 points"),
    ],
    ids=str,
)
def test_a_grid_that_has_fewer_points_than_were_asked_for_says_so(asked, words, settings, line):
    for lines in asked(*words, n_trials=10, **settings):
        assert len(lines) == 1
        assert lines[0].startswith(line)


@pytest.mark.parametrize(
    ("words", "n_trials"), [(["x=1,2"], 2), (["x=1,2"], 1), (["x=1,2"], None), (["x=interval(0,1)"], 10)], ids=str
)
def test_a_study_that_has_what_was_asked_for_says_nothing(asked, words, n_trials):
    assert asked(*words, n_trials=n_trials) == ([], [])
