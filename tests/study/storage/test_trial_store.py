import os
import shutil

import pytest

from lightune.errors import ConfigError
from lightune.runtime.atomic_files import write_json
from lightune.study.definition.settings import Objective
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome, commit, read_outcome
from lightune.study.space.space import Space

SAMPLERS = {
    "auto": None,
    "random": {"_target_": "optuna.samplers.RandomSampler"},
    "tpe": {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 3, "multivariate": True},
    "genetic": {"_target_": "optuna.samplers.NSGAIISampler", "population_size": 4},
    "qmc": {"_target_": "optuna.samplers.QMCSampler"},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "warn_independent_sampling": False},
}
TWO = (Objective("a", "max"), Objective("b", "min"))


def run(store, trials):
    """Run some trials, one after another; return their points."""
    points = []
    for _ in range(trials):
        trial = store.ask(set())
        points.append(trial.point)
        store.tell(trial.number, Outcome("completed", (float(trial.point.get("x", 1)),), 0.1))
    return points


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_cut_in_two_is_the_uncut_one(open_store, sampler):
    settings = {"n_trials": 12, "sampler": SAMPLERS[sampler], "seed": 3}
    whole = run(open_store(folder="whole", **settings), 12)
    first = open_store(folder="cut", **settings)
    begun = run(first, 5)
    begun.append(first.ask(set()).point)  # and there it died
    first.lease.end()
    second = open_store(folder="cut", **settings)
    trial = second.ask(set())
    assert trial.point == begun[-1]
    second.tell(trial.number, Outcome("completed", (float(trial.point["x"]),), 0.1))
    assert begun + run(second, 6) == whole


def test_another_seed_is_another_study(open_store):
    one, other = run(open_store(folder="a", seed=1), 3), run(open_store(folder="b", seed=2), 3)
    assert all(point != another for point, another in zip(one, other, strict=True))
    assert run(open_store(folder="c", seed=1), 3) == run(open_store(folder="d", seed=1), 3)


def test_a_point_of_a_grid_that_is_tried_first_is_tried_once(open_store):
    grid = open_store("x=1,2,3", enqueue=({"x": 2},))
    assert [point["x"] for point in run(grid, 3)] == ["2", "1", "3"]
    assert grid.ask(set()) is None


def test_a_point_that_leaves_a_key_of_a_grid_open_is_refused(open_store):
    with pytest.raises(ConfigError, match=r"search\.enqueue\[0\]  must name every key of a grid, and lacks y"):
        open_store("x=1,2", "y=1,2", enqueue=({"x": 2},))


def test_a_point_of_a_grid_names_the_keys_that_exist_there(open_store):
    only_there = {"z": {"space": [5, 6], "when": {"y": 2}}}
    grid = open_store("y=1,2", params=only_there, enqueue=({"y": 1},))
    assert run(grid, 3) == [{"y": "1"}, {"y": "2", "z": "5"}, {"y": "2", "z": "6"}]
    with pytest.raises(ConfigError, match="must name every key of a grid, and lacks z"):
        open_store("y=1,2", params=only_there, enqueue=({"y": 2},), folder="other")


def test_failures_of_all_sweepers_are_counted(open_store):
    one, other = open_store("x=1,2,3"), open_store("x=1,2,3")
    for each in (one, other):
        each.tell(each.ask(set()).number, Outcome("failed", None, 0.1, "told to"))
    assert one.failures() == other.failures() == 2


def test_a_grid_is_gone_through_once_and_in_order(open_store):
    grid = open_store("x=1,2", "y=a,b")
    assert grid.n_trials == 4
    assert run(grid, 4) == list(grid.space.grid())
    assert grid.ask(set()) is None


def test_a_grid_may_be_cut_short_and_gone_on_with(open_store):
    assert run(open_store("x=range(0,9)", n_trials=2), 2) == [{"x": "0"}, {"x": "1"}]
    assert run(open_store("x=range(0,9)", n_trials=4), 2) == [{"x": "2"}, {"x": "3"}]


def test_points_of_ones_own_come_first(open_store):
    own = [{"y": "b", "x": 2.5}, {"z": 7}]
    first, second, _ = run(open_store(enqueue=own, n_trials=3), 3)
    assert (first["y"], first["x"]) == ("b", "2.5")
    assert second["z"] == "7"
    assert run(open_store("x=1,2,3", folder="grid", enqueue=({"x": 3},)), 3) == [
        {"x": "3"},
        {"x": "1"},
        {"x": "2"},
    ]


def test_no_more_trials_than_asked_for(open_store):
    study = open_store(n_trials=3)
    trials_ = [study.ask({0, 1, 2}) for _ in range(4)]
    assert [trial and trial.number for trial in trials_] == [0, 1, 2, None]


def test_a_trial_of_a_living_sweeper_is_left_to_it(open_store):
    one, two = open_store(n_trials=2), open_store(n_trials=2)
    assert one.ask(set()).number == 0
    assert two.ask(set()).number == 1
    assert two.ask({1}) is None
    assert [record.state for record in two.records()] == ["running", "running"]


def test_a_result_in_the_folder_of_a_trial_that_was_left_is_taken(open_store):
    one = open_store(n_trials=2)
    trial = one.ask(set())
    folder = one.folder / "0"
    one.note_folder(trial.number, folder)
    commit(folder, Outcome("completed", (4.0,), 1.5))
    one.lease.end()
    two = open_store(n_trials=2)
    assert two.ask(set()).number == 1
    assert (two.records()[0].state, two.records()[0].values, two.records()[0].seconds) == (
        "completed",
        (4.0,),
        1.5,
    )


@pytest.mark.parametrize("status", ["failed", "pruned"])
def test_what_did_not_end_well_is_not_the_best(open_store, status):
    study = open_store(n_trials=2)
    study.tell(study.ask(set()).number, Outcome(status, None, 0.1, "why"))
    assert study.best() == []
    assert study.records()[0].state == status


def test_several_objectives_have_a_front(open_store):
    study = open_store(n_trials=3, objectives=TWO)
    for values in [(1.0, 1.0), (2.0, 2.0), (0.5, 3.0)]:
        study.tell(study.ask(set()).number, Outcome("completed", values, 0.1))
    assert [record.number for record in study.best()] == [0, 1]


def test_a_point_that_was_tried_again_stands_on_the_front_once(open_store):
    points = [{"x": "1", "y": "a"}, {"x": "2", "y": "a"}, {"x": "1", "y": "a"}]
    settings = {"n_trials": 3, "sampler": SAMPLERS["random"], "objectives": TWO, "enqueue": tuple(points)}
    study = open_store("x=1,2", "y=a,b", **settings)
    for values in [(1.0, 1.0), (2.0, 2.0), (1.0, 1.0)]:
        study.tell(study.ask(set()).number, Outcome("completed", values, 0.1))
    assert [record.number for record in study.best()] == [0, 1]


def test_the_worse_is_pruned(open_store):
    pruner = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 2}
    study = open_store(n_trials=4, pruner=pruner)
    for value in (1.0, 1.1, 0.9):
        trial = study.ask(set())
        study.report(trial.number, 1, value)
        study.tell(trial.number, Outcome("completed", (value,), 0.1))
    trial = study.ask(set())
    assert study.report(trial.number, 1, 9.0)


def test_a_record_has_what_the_training_says_and_what_was_reported(open_store):
    study = open_store(n_trials=3, pruner={"_target_": "optuna.pruners.NopPruner"})
    training = {"schema": 1, "epochs": 4, "objective": {"metric": "x", "value": 0.5, "std": 0.25}}
    for number, status in enumerate(("completed", "pruned")):
        study.ask(set(range(number)))
        folder = study.folder / str(number)
        study.note_folder(number, folder)
        write_json(folder / "result.json", {**training, "status": status})
        for step, value in ((1, 0.25), (2, 0.75)):
            study.report(number, step, value)
        study.tell(number, Outcome(status, (0.5,) if status == "completed" else None, 1.0))
    study.tell(study.ask({0, 1}).number, Outcome("failed", None, 1.0, "its process ended"))
    known = [(record.epochs, record.std, record.reported) for record in study.records()]
    assert known == [(4, 0.25, 0.75), (4, 0.25, 0.75), (None, None, None)]


def test_a_trial_of_a_plain_grid_may_be_complete_without_a_value(open_store):
    study = open_store("x=1,2")
    study.tell(study.ask(set()).number, Outcome("completed", (), 0.1))
    assert study.records()[0].state == "completed"
    assert study.best() == []


@pytest.mark.parametrize("noted", [False, True])
def test_a_driver_killed_between_a_failure_and_the_next_start_owes_that_start(open_store, noted):
    first = open_store(n_trials=1, retries=1)
    trial = first.ask(set())
    folder = first.folder / "0"
    first.note_folder(0, folder)
    commit(folder, Outcome("failed", None, 0.1, "told to"))
    if noted:
        first.note_failure(0)
    first.lease.end()
    second = open_store(n_trials=1, retries=1)
    again = second.ask(set())
    assert (again.point, again.attempt, again.resume) == (trial.point, 1, False)
    make_room(folder, again.attempt)
    assert not (folder / "result.json").exists()
    commit(folder, Outcome("failed", None, 0.1, "told to"))
    second.lease.end()
    third = open_store(n_trials=1, retries=1)
    assert third.ask(set()) is None
    assert third.record(0).state == "failed"


@pytest.mark.parametrize("noted", [False, True])
def test_a_trial_that_was_left_goes_on_where_it_may_have_begun(open_store, noted):
    first = open_store(n_trials=1)
    first.ask(set())
    if noted:
        first.note_folder(0, first.folder / "0")
    first.lease.end()
    assert open_store(n_trials=1).ask(set()).resume  # its process may have begun before its folder was noted


@pytest.mark.parametrize("now", [80, 20])  # a clock behind that of the files makes no pause of less than nothing
@pytest.mark.parametrize("ended", [False, True])
def test_from_the_last_sign_of_a_killed_trial_until_it_goes_on_is_a_pause(open_store, monkeypatch, ended, now):
    first = open_store(n_trials=1)
    first.ask(set())
    folder = first.folder / "0"
    first.note_folder(0, folder)
    commit(folder, Outcome("completed" if ended else "interrupted", (0.5,) if ended else None, 1.0))
    began = first.study.trials[0].datetime_start.timestamp()
    for path in (folder / "result.json", folder):
        os.utime(path, (began + 50, began + 50))
    monkeypatch.setattr("time.time", lambda: began + now)
    first.lease.end()
    second = open_store(n_trials=1)
    second.ask(set())
    assert second.study.trials[0].user_attrs["pauses"] == [[began + 50, began + max(now, 50)]]


def test_a_study_is_forgotten_by_who_began_it_while_it_has_no_trial(open_store):
    one, other = open_store(), open_store()
    other.forget()
    assert one.records() == []
    one.forget()
    again = open_store()  # as if it had never been
    again.ask(set())
    again.forget()
    assert [record.number for record in open_store().records()] == [0]


class Point(dict):
    """A point that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other):
        Point.compared += 1
        return dict.__eq__(self, other)

    __hash__ = None


def test_the_points_of_a_grid_are_not_compared_with_each_other(monkeypatch, open_store):
    grid = Space.grid
    monkeypatch.setattr(Space, "grid", lambda space: map(Point, grid(space)))
    Point.compared = 0
    store = open_store("x=range(0,300)", "y=range(0,10)", enqueue=({"x": 299, "y": 9},))
    assert store.n_trials == 3000
    assert Point.compared <= 3000  # linear at most; in pairs these would be millions


def test_a_trial_that_another_driver_has_ended_stays_as_it_is(open_store):
    mine, others = open_store(folder="shared"), open_store(folder="shared")
    number = mine.ask(set()).number
    others.tell(number, Outcome("completed", (1.0,), 0.1))
    mine.tell(number, Outcome("failed", None, 0.2, "taken for dead"))
    mine.release(number)
    assert mine.report(number, 1, 0.5) is False
    assert [(trial.state, trial.values, trial.error) for trial in mine.records()] == [("completed", (1.0,), None)]


def test_the_end_of_a_trial_that_its_driver_did_not_live_to_record_is_recorded_and_its_folder_cleared(open_store):
    first = open_store(n_trials=1)
    first.ask(set())
    first.note_folder(0, first.folder / "0")
    commit(first.folder / "0", Outcome("completed", (0.5,), 1.0))
    for name in (".lock", ".train.log.0123.tmp"):
        (first.folder / "0" / name).touch()
    first.lease.end()
    second = open_store(n_trials=1)
    assert second.ask(set()) is None
    assert [path.name for path in (second.folder / "0").iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    "outcome",
    [Outcome("completed", (0.5,), 2.0), Outcome("pruned", None, 2.0), Outcome("failed", None, 2.0, "told to")],
)
@pytest.mark.parametrize("damage", ["removed", "cut", "intact", "the whole folder"])
def test_a_result_that_was_lost_is_restored_from_the_record(open_store, outcome, damage):
    store = open_store(n_trials=2)
    folder = store.folder / "0"
    store.ask(set())
    store.note_folder(0, folder)
    commit(folder, outcome)
    store.tell(0, outcome)
    store.note_folder(store.ask({0}).number, store.folder / "1")  # which runs
    if damage == "the whole folder":
        shutil.rmtree(folder)
    elif damage == "removed":
        (folder / "result.json").unlink()
    elif damage == "cut":
        (folder / "result.json").write_text("{")
    assert store.restore_results() == ([0] if damage in ("removed", "cut") else [])
    assert folder.exists() == (damage != "the whole folder")
    if folder.exists():
        assert read_outcome(folder, store.settings.objectives) == outcome
    assert not (store.folder / "1" / "result.json").exists()
    assert store.restore_results() == []
