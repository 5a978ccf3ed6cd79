import pytest
from reported_studies import write_planted

from lightune.errors import ConfigError
from lightune.report.ablation import are_alike, effects_of, plan_of, pruned_of, total_of
from lightune.report.study_data import read_study

SPACE = {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "model.units": {"values": ["16", "64"]}}
DEFAULTS = {"optimizer.lr": "0.001", "model.units": "64"}
SEEDS = (5, 6, 7)


@pytest.fixture
def study(tmp_path):
    """The best of it is at lr 0.01 and 64 units."""

    def written(points=None, states=None, **about):
        points = points or [
            {"optimizer.lr": "0.01", "model.units": "64"},
            {"optimizer.lr": "0.0002", "model.units": "16"},
            {"optimizer.lr": "0.05", "model.units": "16"},
        ]
        values = [0.9, 0.5, 0.6, *[0.4] * 20][: len(points)]
        known = {tuple(point.items()): value for point, value in zip(points, values, strict=True)}
        state = (lambda number: states[number]) if states else (lambda number: "completed")
        write_planted(
            tmp_path / "s", points, lambda point: known[tuple(point.items())], space=SPACE, state=state, **about
        )
        return read_study(tmp_path / "s")

    return written


def planned(study, *, pruned=0, defaults=DEFAULTS, seeds=SEEDS):
    return plan_of(study, lambda key, point: defaults.get(key), seeds=seeds, seed=seeds[0], pruned=pruned)


def by(law):
    """Return what values points by a law of rate, units and seed."""

    def value_of(point):
        return law(float(point["optimizer.lr"]), int(point["model.units"]), int(point["seed"]))

    return value_of


def test_what_is_as_by_default_is_no_change(study):
    plan = planned(study())
    assert [(change.label, change.default, change.best) for change in plan.changes] == [("lr", "0.001", "0.01")]
    assert plan.alike == ("units",)
    assert len(plan.points) == 2 * len(SEEDS)  # with one change its two ends are all there is
    assert {point["model.units"] for point in plan.points} == {"64"}


def test_each_change_is_made_alone_and_taken_back_alone(study):
    plan = planned(study(), defaults={"optimizer.lr": "0.001", "model.units": "16"})
    corners = {(point["optimizer.lr"], point["model.units"]) for point in plan.points}
    assert corners == {("0.001", "16"), ("0.01", "64"), ("0.01", "16"), ("0.001", "64")}
    assert {point["seed"] for point in plan.points} == {"5", "6", "7"}
    assert len({tuple(point.items()) for point in plan.points}) == len(plan.points) == 12


def test_numbers_are_compared_as_numbers(study):
    assert planned(study(), defaults={"optimizer.lr": "1e-2", "model.units": "16"}).alike == ("lr",)


def test_what_has_no_default_stays_as_it_is_in_the_best(study):
    plan = planned(study(), defaults={"optimizer.lr": "0.001"})
    assert plan.alike == ("units",)


def test_effects_are_those_of_a_law_whose_interaction_is_known(study):
    plan = planned(study(), defaults={"optimizer.lr": "0.001", "model.units": "16"})

    def law(rate, units, seed):
        return 10 * rate + (0.001 * units if rate > 0.005 else 0.0) + 0.01 * seed

    first, second = effects_of(plan, by(law), mode="max", seeds=SEEDS)
    assert [first.change.label, second.change.label] == ["lr", "units"]
    assert first.added.mean == pytest.approx(0.106)
    assert first.taken.mean == pytest.approx(0.154)
    assert first.both.mean == pytest.approx(0.13)
    assert second.added.mean == pytest.approx(0.0)
    assert second.taken.mean == pytest.approx(0.048)
    assert first.both.std == pytest.approx(0.0, abs=1e-9)  # what a seed brings to all is no spread
    assert total_of(plan, by(law), mode="max", seeds=SEEDS).mean == pytest.approx(0.154)


def test_less_is_better_where_the_mode_says_so(study):
    plan = planned(study())
    (effect,) = effects_of(plan, by(lambda rate, units, seed: 1 - rate), mode="min", seeds=SEEDS)
    assert effect.both.mean == pytest.approx(0.009)


@pytest.mark.parametrize(("noise", "told"), [(0.0005, True), (0.02, False)])
def test_what_seeds_scatter_is_not_told_from_chance(study, noise, told):
    plan = planned(study())
    (effect,) = effects_of(
        plan, by(lambda rate, units, seed: rate * (1 + 100 * noise * (seed - 6))), mode="max", seeds=SEEDS
    )
    assert effect.both.is_told_from_chance is told


def test_one_seed_tells_nothing_from_chance(study):
    plan = planned(study(), seeds=(0,))
    (effect,) = effects_of(plan, by(lambda rate, units, seed: rate), mode="max", seeds=(0,))
    assert (effect.both.std, effect.both.is_told_from_chance) == (None, False)


def test_a_training_that_failed_leaves_its_seed_out(study):
    plan = planned(study())
    value_of = by(lambda rate, units, seed: rate)
    (effect,) = effects_of(
        plan, lambda point: None if point["seed"] == "6" else value_of(point), mode="max", seeds=SEEDS
    )
    assert effect.both.count == 2
    (nothing,) = effects_of(plan, lambda point: None, mode="max", seeds=SEEDS)
    assert (nothing.both, nothing.added) == (None, None)


class TestPruned:
    """What pruning cost."""

    POINTS = tuple({"optimizer.lr": f"0.0{number}", "model.units": "64"} for number in range(1, 8))
    STATES = ("completed", *["pruned"] * 6)

    def test_some_are_chosen_over_all_that_there_are(self, study):
        plan = planned(study(list(self.POINTS), list(self.STATES)), pruned=3)
        assert [*plan.pruned] == [1, 3, 5]
        assert plan.pruned[3] == {"optimizer.lr": "0.04", "model.units": "64", "seed": "5"}

    def test_all_are_where_there_are_fewer(self, study):
        assert len(planned(study(list(self.POINTS), list(self.STATES)), pruned=9).pruned) == 6

    def test_what_it_cost_is_the_best_of_them(self, study):
        read = study(list(self.POINTS), list(self.STATES))
        plan = planned(read, pruned=6)
        found = pruned_of(read, plan, by(lambda rate, units, seed: 0.85 + rate))
        assert (found.finished, found.better) == (6, 2)
        assert (found.value, found.gain) == (pytest.approx(0.92), pytest.approx(0.02))

    def test_nothing_is_said_where_none_was(self, study):
        read = study()
        assert pruned_of(read, planned(read, pruned=8), by(lambda *each: 1.0)) is None


class TestRefusals:
    """What cannot be explained."""

    def test_a_best_like_the_default(self, study):
        with pytest.raises(ConfigError, match="its best trial is as by default, and no trial was pruned"):
            planned(study(), defaults={"optimizer.lr": "0.01", "model.units": "64"})

    def test_no_result(self, study):
        with pytest.raises(ConfigError, match="has no trial with a result yet"):
            planned(study(states=["failed", "failed", "failed"]))


CONDITIONAL = {
    "optimizer": {"values": ["adamw", "sgd"]},
    "optimizer.momentum": {"low": 0.0, "high": 0.99, "log": False, "when": {"optimizer": ["sgd"]}},
    "optimizer.nesterov": {
        "values": ["True", "False"],
        "when": {"optimizer": ["sgd"], "optimizer.momentum": [0.9]},
    },
    "optimizer.amsgrad": {"values": ["True", "False"], "when": {"optimizer": ["adamw"]}},
}


def with_conditions(tmp_path, best):
    """Return a study of two optimizers that have keys of their own."""
    points = [best, {"optimizer": "adamw", "optimizer.amsgrad": "True"}]
    values = {tuple(best.items()): 0.9}
    write_planted(tmp_path / "s", points, lambda point: values.get(tuple(point.items()), 0.1), space=CONDITIONAL)
    return read_study(tmp_path / "s")


def of_optimizers(key, point):
    """Return a default: a momentum is that of sgd, which is not the default optimizer."""
    beside = point.get("optimizer", "adamw")
    defaults = {
        "adamw": {"optimizer": "adamw", "optimizer.amsgrad": "False"},
        "sgd": {"optimizer": "adamw", "optimizer.momentum": "0.0", "optimizer.nesterov": "False"},
    }
    return defaults[beside].get(key)


def test_a_key_that_exists_only_under_a_value_of_the_best_is_changed_where_that_is(tmp_path):
    study = with_conditions(tmp_path, {"optimizer": "sgd", "optimizer.momentum": "0.7"})
    plan = plan_of(study, of_optimizers, seeds=(0,), seed=0, pruned=0)
    assert [(change.key, change.default, change.best, change.given) for change in plan.changes] == [
        ("optimizer", "adamw", "sgd", ()),
        ("optimizer.momentum", "0.0", "0.7", ("optimizer",)),
    ]
    assert plan.default == {"optimizer": "adamw", "optimizer.amsgrad": "False"}
    assert plan.best == {"optimizer": "sgd", "optimizer.momentum": "0.7"}
    optimizer, momentum = plan.steps
    without = {"optimizer": "sgd", "optimizer.momentum": "0.0"}
    assert (optimizer.before, optimizer.after, optimizer.without) == (plan.default, without, plan.default)
    assert (momentum.before, momentum.after, momentum.without) == (without, plan.best, without)
    assert len(plan.points) == 3


def test_conditions_may_rest_on_each_other(tmp_path):
    best = {"optimizer": "sgd", "optimizer.momentum": "0.9", "optimizer.nesterov": "True"}
    plan = plan_of(with_conditions(tmp_path, best), of_optimizers, seeds=(0,), seed=0, pruned=0)
    assert [change.given for change in plan.changes] == [(), ("optimizer",), ("optimizer", "momentum")]
    assert plan.best == best
    nesterov = plan.steps[2]
    assert nesterov.before == nesterov.without == best | {"optimizer.nesterov": "False"}
    assert nesterov.after == best


def test_what_is_there_at_both_ends_is_changed_by_itself(tmp_path):
    study = with_conditions(tmp_path, {"optimizer": "adamw", "optimizer.amsgrad": "True"})
    plan = plan_of(study, of_optimizers, seeds=(0,), seed=0, pruned=0)
    assert [(change.key, change.given) for change in plan.changes] == [("optimizer.amsgrad", ())]
    assert plan.alike == ("optimizer",)


@pytest.mark.parametrize(
    ("text", "other", "alike"),
    [
        ("0.01", "1e-2", True),
        ("sgd", "'sgd'", True),
        ("sgd", "adam", False),
        ("1", "sgd", False),
        ("1", "1.5", False),
    ],
)
def test_texts_are_alike_that_stand_for_one_value(text, other, alike):
    assert are_alike(text, other) is alike
