import pytest

from lightune.errors import ConfigError
from lightune.study.definition.settings import Objective
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome, commit

SAMPLERS = {
    "auto": None,
    "random": {"_target_": "optuna.samplers.RandomSampler"},
    "tpe": {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 3, "multivariate": True},
    "genetic": {"_target_": "optuna.samplers.NSGAIISampler", "population_size": 4},
    "qmc": {"_target_": "optuna.samplers.QMCSampler"},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "warn_independent_sampling": False},
}
TWO = (Objective("a", "max"), Objective("b", "min"))


def run(book, trials):
    """Run some trials, one after another; return their points."""
    points = []
    for _ in range(trials):
        ticket = book.next(set())
        points.append(ticket.point)
        book.tell(ticket.number, Outcome("completed", (float(ticket.point.get("x", 1)),), 0.1))
    return points


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_cut_in_two_is_the_uncut_one(book, sampler):
    settings = {"n_trials": 12, "sampler": SAMPLERS[sampler], "seed": 3}
    whole = run(book(folder="whole", **settings), 12)
    first = book(folder="cut", **settings)
    begun = run(first, 5)
    begun.append(first.next(set()).point)  # and there it died
    first.lease.end()
    second = book(folder="cut", **settings)
    ticket = second.next(set())
    assert ticket.point == begun[-1]
    second.tell(ticket.number, Outcome("completed", (float(ticket.point["x"]),), 0.1))
    assert begun + run(second, 6) == whole


def test_another_seed_is_another_study(book):
    one, other = run(book(folder="a", seed=1), 3), run(book(folder="b", seed=2), 3)
    assert all(point != another for point, another in zip(one, other, strict=True))
    assert run(book(folder="c", seed=1), 3) == run(book(folder="d", seed=1), 3)


def test_a_point_of_a_grid_that_is_tried_first_is_tried_once(book):
    grid = book("x=1,2,3", enqueue=({"x": 2},))
    assert [point["x"] for point in run(grid, 3)] == ["2", "1", "3"]
    assert grid.next(set()) is None


def test_a_point_that_leaves_a_key_of_a_grid_open_is_refused(book):
    with pytest.raises(ConfigError, match=r"search\.enqueue\[0\]  must name every key of a grid, and lacks y"):
        book("x=1,2", "y=1,2", enqueue=({"x": 2},))


def test_a_point_of_a_grid_names_the_keys_that_exist_there(book):
    only_there = {"z": {"space": [5, 6], "when": {"y": 2}}}
    grid = book("y=1,2", params=only_there, enqueue=({"y": 1},))
    assert run(grid, 3) == [{"y": "1"}, {"y": "2", "z": "5"}, {"y": "2", "z": "6"}]
    with pytest.raises(ConfigError, match="must name every key of a grid, and lacks z"):
        book("y=1,2", params=only_there, enqueue=({"y": 2},), folder="other")


def test_failures_of_all_sweepers_are_counted(book):
    one, other = book("x=1,2,3"), book("x=1,2,3")
    for each in (one, other):
        each.tell(each.next(set()).number, Outcome("failed", None, 0.1, "told to"))
    assert one.failures() == other.failures() == 2


def test_a_grid_is_gone_through_once_and_in_order(book):
    grid = book("x=1,2", "y=a,b")
    assert grid.n_trials == 4
    assert run(grid, 4) == list(grid.space.grid())
    assert grid.next(set()) is None


def test_a_grid_may_be_cut_short_and_gone_on_with(book):
    assert run(book("x=range(0,9)", n_trials=2), 2) == [{"x": "0"}, {"x": "1"}]
    assert run(book("x=range(0,9)", n_trials=4), 2) == [{"x": "2"}, {"x": "3"}]


def test_points_of_ones_own_come_first(book):
    own = [{"y": "b", "x": 2.5}, {"z": 7}]
    first, second, _ = run(book(enqueue=own, n_trials=3), 3)
    assert (first["y"], first["x"]) == ("b", "2.5")
    assert second["z"] == "7"
    assert run(book("x=1,2,3", folder="grid", enqueue=({"x": 3},)), 3) == [{"x": "3"}, {"x": "1"}, {"x": "2"}]


def test_no_more_trials_than_asked_for(book):
    study = book(n_trials=3)
    tickets = [study.next({0, 1, 2}) for _ in range(4)]
    assert [ticket and ticket.number for ticket in tickets] == [0, 1, 2, None]


def test_a_trial_of_a_living_sweeper_is_left_to_it(book):
    one, two = book(n_trials=2), book(n_trials=2)
    assert one.next(set()).number == 0
    assert two.next(set()).number == 1
    assert two.next({1}) is None
    assert [row.state for row in two.rows()] == ["running", "running"]


def test_a_result_in_the_folder_of_a_trial_that_was_left_is_taken(book):
    one = book(n_trials=2)
    ticket = one.next(set())
    folder = one.folder / "0"
    one.note_folder(ticket.number, folder)
    commit(folder, Outcome("completed", (4.0,), 1.5))
    one.lease.end()
    two = book(n_trials=2)
    assert two.next(set()).number == 1
    assert (two.rows()[0].state, two.rows()[0].values, two.rows()[0].seconds) == ("completed", (4.0,), 1.5)


@pytest.mark.parametrize("status", ["failed", "pruned"])
def test_what_did_not_end_well_is_not_the_best(book, status):
    study = book(n_trials=2)
    study.tell(study.next(set()).number, Outcome(status, None, 0.1, "why"))
    assert study.best() == []
    assert study.rows()[0].state == status


def test_several_objectives_have_a_front(book):
    study = book(n_trials=3, objectives=TWO)
    for values in [(1.0, 1.0), (2.0, 2.0), (0.5, 3.0)]:
        study.tell(study.next(set()).number, Outcome("completed", values, 0.1))
    assert [row.number for row in study.best()] == [0, 1]


def test_a_point_that_was_tried_again_stands_on_the_front_once(book):
    points = [{"x": "1", "y": "a"}, {"x": "2", "y": "a"}, {"x": "1", "y": "a"}]
    settings = {"n_trials": 3, "sampler": SAMPLERS["random"], "objectives": TWO, "enqueue": tuple(points)}
    study = book("x=1,2", "y=a,b", **settings)
    for values in [(1.0, 1.0), (2.0, 2.0), (1.0, 1.0)]:
        study.tell(study.next(set()).number, Outcome("completed", values, 0.1))
    assert [row.number for row in study.best()] == [0, 1]


def test_a_grid_of_an_interval_is_refused(book):
    with pytest.raises(ConfigError, match="x is an interval; list its values, or choose search=tpe"):
        book(sampler={"_target_": "optuna.samplers.GridSampler"})


@pytest.mark.parametrize(
    ("settings", "key", "rule"),
    [
        ({"sampler": {"_target_": "optuna.samplers.TPESampler", "wrong": 1}}, "hydra.sweeper.sampler", "wrong"),
        ({"pruner": {"_target_": "optuna.pruners.MedianPruner", "wrong": 1}}, "search.pruner", "wrong"),
        ({"pruner": {"_target_": "os.getcwd"}}, "search.pruner", "os.getcwd cannot be made"),
    ],
)
def test_what_cannot_be_made_is_refused(book, settings, key, rule):
    with pytest.raises(ConfigError) as refusal:
        book(**settings)
    assert refusal.value.problems[0].key == key
    assert rule in refusal.value.problems[0].message


def test_the_worse_is_pruned(book):
    pruner = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 2}
    study = book(n_trials=4, pruner=pruner)
    for value in (1.0, 1.1, 0.9):
        ticket = study.next(set())
        study.report(ticket.number, 1, value)
        study.tell(ticket.number, Outcome("completed", (value,), 0.1))
    ticket = study.next(set())
    assert study.report(ticket.number, 1, 9.0)


def test_a_trial_of_a_plain_grid_may_be_complete_without_a_value(book):
    study = book("x=1,2")
    study.tell(study.next(set()).number, Outcome("completed", (), 0.1))
    assert study.rows()[0].state == "completed"
    assert study.best() == []


@pytest.mark.parametrize("noted", [False, True])
def test_a_driver_killed_between_a_failure_and_the_next_start_owes_that_start(book, noted):
    first = book(n_trials=1, retries=1)
    ticket = first.next(set())
    folder = first.folder / "0"
    first.note_folder(0, folder)
    commit(folder, Outcome("failed", None, 0.1, "told to"))
    if noted:
        first.note_failure(0)
    first.lease.end()
    second = book(n_trials=1, retries=1)
    again = second.next(set())
    assert (again.point, again.attempt, again.resume) == (ticket.point, 1, False)
    make_room(folder, again.attempt)
    assert not (folder / "result.json").exists()
    commit(folder, Outcome("failed", None, 0.1, "told to"))
    second.lease.end()
    third = book(n_trials=1, retries=1)
    assert third.next(set()) is None
    assert third.row(0).state == "failed"


@pytest.mark.parametrize("noted", [False, True])
def test_a_trial_that_was_left_in_its_folder_goes_on_there(book, noted):
    first = book(n_trials=1)
    first.next(set())
    if noted:
        first.note_folder(0, first.folder / "0")
    first.lease.end()
    assert book(n_trials=1).next(set()).resume == noted


def test_a_study_is_forgotten_by_who_began_it_while_it_has_no_trial(book):
    one, other = book(), book()
    other.forget()
    assert one.rows() == []
    one.forget()
    again = book()  # as if it had never been
    again.next(set())
    again.forget()
    assert [row.number for row in book().rows()] == [0]
