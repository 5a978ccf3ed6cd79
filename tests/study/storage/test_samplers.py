"""Where the next point comes from: samplers and pruners as options name them, and points drawn with them."""

import optuna
import pytest
from optuna import pruners, samplers
from optuna.trial import TrialState

from lightune.errors import ConfigError
from lightune.paths import conf_dir
from lightune.private_api.optuna import trial_again
from lightune.study.definition.settings import Objective, Settings
from lightune.study.messages import LIGHTUNE, OTHERS
from lightune.study.space.reader import read_space
from lightune.study.storage.samplers import is_grid, learns, make_pruner, make_sampler, require_able, suggest

LISTED, INTERVAL = read_space(["seed=0,1"]), read_space(["optimizer.lr=interval(1e-3,1)"])
MIXED = ["x=interval(0,1)", "w=choice(only)", "y=a,b,c", "z=range(0,100)", "v=tag(log,interval(1e-3,1))"]
DRAWN = ["x=interval(0,1)", "y=a,b,c", "z=range(0,100)"]


SAMPLER = "hydra.sweeper.sampler"
CONFIGURED = "hydra_plugins.hydra_optuna_sweeper.config.RandomSamplerConfig"


def of(name, *, package="samplers", **how):
    return {"_target_": f"optuna.{package}.{name}", **how}


def settings(sampler=None, objectives=1, **how):
    return Settings(
        objectives=tuple(Objective(name, "min") for name in "abc"[:objectives]), sampler=sampler, **how
    )


REPEATABLE = [
    None,
    of("RandomSampler"),
    of("TPESampler", n_startup_trials=2),
    of("TPESampler", n_startup_trials=2, multivariate=True),
    of("NSGAIISampler", population_size=2),
    of("CmaEsSampler", n_startup_trials=1, warn_independent_sampling=False),
]


def problem_of(call, *arguments):
    with pytest.raises(ConfigError) as refusal:
        call(*arguments)
    (problem,) = refusal.value.problems
    return problem.key, problem.message


PRESETS = {
    "auto": (samplers.TPESampler, pruners.NopPruner),
    "random": (samplers.RandomSampler, pruners.NopPruner),
    "tpe": (samplers.TPESampler, pruners.NopPruner),
    "gp": (samplers.GPSampler, pruners.NopPruner),
    "cmaes": (samplers.CmaEsSampler, pruners.NopPruner),
    "genetic": (samplers.NSGAIISampler, pruners.NopPruner),
    "grid": (samplers.RandomSampler, pruners.NopPruner),  # only listed values: a storage gives them out
    "qmc": (samplers.QMCSampler, pruners.NopPruner),
    "hyperband": (samplers.TPESampler, pruners.HyperbandPruner),
    "asha": (samplers.TPESampler, pruners.SuccessiveHalvingPruner),
    "median": (samplers.TPESampler, pruners.MedianPruner),
}


@pytest.mark.parametrize("name", sorted(file.stem for file in (conf_dir() / "search").glob("*.yaml")))
def test_an_option_names_its_sampler_and_pruner(settings_of, name):
    sampler, pruner = PRESETS[name]
    settings = settings_of(f"search={name}", "trainer.max_epochs=9")
    assert type(make_sampler(settings, 0)) is sampler
    assert type(make_pruner(settings)) is pruner
    assert (settings.sampler is None) == (name == "auto")
    require_able(settings, LISTED if name == "grid" else INTERVAL)


def test_a_grid_is_one_where_it_is_named_or_all_is_listed(settings_of):
    assert is_grid(settings_of("search=grid"), LISTED)
    assert is_grid(settings_of("search=auto"), LISTED)
    assert not is_grid(settings_of("search=auto"), INTERVAL)
    assert not is_grid(settings_of("search=random"), LISTED)


@pytest.mark.parametrize("ask", [is_grid, require_able, learns])
def test_a_grid_of_an_interval_is_refused(ask):
    key, said = problem_of(ask, settings(of("GridSampler")), INTERVAL)
    assert (key, said.endswith("optimizer.lr is an interval; list its values, or choose search=tpe")) == (
        "search",
        True,
    )


@pytest.mark.parametrize(
    ("sampler", "space", "answer"),
    [
        (None, LISTED, False),
        (None, INTERVAL, True),
        (of("GridSampler"), LISTED, False),
        (of("RandomSampler"), INTERVAL, False),
        (of("QMCSampler"), LISTED, False),
        (of("TPESampler"), LISTED, True),
        (of("NSGAIISampler"), INTERVAL, True),
    ],
)
def test_samplers_learn_but_those_that_do_not_look_at_results(sampler, space, answer):
    assert learns(settings(sampler), space) is answer


@pytest.mark.parametrize(
    ("how", "key", "rule"),
    [
        (
            {"sampler": of("TPESampler", wrong=1)},
            SAMPLER,
            "TPESampler cannot be made: TPESampler.__init__()",
        ),
        ({"sampler": {"_target_": "os.getcwd"}}, SAMPLER, "os.getcwd cannot be made: "),
        ({"sampler": {"_target_": CONFIGURED}}, SAMPLER, f"must name a sampler of Optuna, got {CONFIGURED}"),
        ({"sampler": of("nsgaii")}, SAMPLER, "optuna.samplers.nsgaii cannot be made: "),
        ({"sampler": of("NSGAIISampler", population_size=1)}, SAMPLER, "must be greater than"),
        ({"pruner": of("MedianPruner", package="pruners", wrong=1)}, "search.pruner", "unexpected keyword"),
        ({"pruner": {"_target_": "os.getcwd"}}, "search.pruner", "os.getcwd cannot be made: "),
        ({"pruner": of("TPESampler")}, "search.pruner", "optuna.samplers.TPESampler cannot be made: "),
    ],
)
def test_what_cannot_be_made_is_refused_before_a_study_has_a_folder(how, key, rule):
    where, said = problem_of(require_able, settings(**how), LISTED)
    assert (where, rule in said, "\n" in said) == (key, True, False), said


@pytest.mark.parametrize(
    ("vocabulary", "grid"), [(LIGHTUNE, "search=grid"), (OTHERS, "hydra/sweeper/sampler=grid")]
)
def test_a_sampler_that_ends_studies_is_refused(vocabulary, grid):
    said = problem_of(require_able, settings(of("BruteForceSampler"), vocabulary=vocabulary), LISTED)
    rule = f"BruteForceSampler would end the study by itself; choose {grid}, which lists all points"
    assert said == ("hydra.sweeper.sampler", rule)


@pytest.mark.parametrize(
    ("vocabulary", "advice"),
    [
        (LIGHTUNE, "choose search=genetic or search=tpe"),
        (OTHERS, "choose hydra/sweeper/sampler=nsgaii or hydra/sweeper/sampler=tpe"),
    ],
)
def test_a_sampler_of_one_objective_is_refused_beside_several(vocabulary, advice):
    sampler = of("CmaEsSampler", warn_independent_sampling=False)
    require_able(settings(sampler, vocabulary=vocabulary), INTERVAL)
    said = problem_of(require_able, settings(sampler, objectives=2, vocabulary=vocabulary), INTERVAL)
    assert said == ("hydra.sweeper.sampler", f"CmaEsSampler seeks one objective, got 2; {advice}")


@pytest.mark.parametrize(("vocabulary", "key"), [(LIGHTUNE, "search.pruner"), (OTHERS, "hydra.sweeper.pruner")])
def test_a_pruner_that_cannot_be_made_is_named_by_the_key_that_the_application_has(vocabulary, key):
    pruner = {"_target_": "os.getcwd"}
    assert problem_of(make_pruner, settings(pruner=pruner, vocabulary=vocabulary))[0] == key


def points(sampler, *numbers, space=None, seed=3):
    """Draw the points of some trials of a new study, each with a sampler of its own."""
    study = optuna.create_study()
    space, made = space or read_space(DRAWN), settings(sampler, seed=seed)
    drawn = []
    for number in numbers:
        study.sampler = make_sampler(made, number)
        drawn.append(suggest(study, study.ask(), space))
    return drawn


@pytest.mark.parametrize("sampler", [None, of("RandomSampler"), of("QMCSampler"), of("NSGAIISampler")])
def test_a_trials_point_follows_from_the_seed_and_its_number(sampler):
    first = points(sampler, 0, 1, 2)
    assert len({tuple(point.items()) for point in first}) == 3
    assert points(sampler, 0, 1, 2) == first
    assert points(sampler, 0, 1, 2, seed=4) != first
    for point in first:
        assert list(point) == ["x", "y", "z"]
        assert 0 <= float(point["x"]) <= 1
        assert point["y"] in "abc"
        assert 0 <= int(point["z"]) < 100


def test_the_trials_of_a_sequence_are_its_members_one_after_another():
    study, made = optuna.create_study(), settings(of("QMCSampler", scramble=True), seed=3)
    drawn = []
    for number in range(9):
        study.sampler = make_sampler(made, number)
        trial = study.ask()
        drawn.append(float(suggest(study, trial, read_space(["x=interval(0,1)"]))["x"]))
        study.tell(trial, 0.0)
    assert sorted(int(8 * x) for x in drawn[1:]) == list(range(8))  # the first is drawn before there is a sequence


def test_a_key_that_does_not_exist_at_a_point_is_not_drawn():
    space = read_space(["y=a,b"], params={"x": {"space": "interval(0,1)", "when": {"y": "a"}}})
    drawn = points(of("RandomSampler"), *range(12), space=space)
    assert {(point["y"], "x" in point) for point in drawn} == {("a", True), ("b", False)}


def asked(sampler, before, first):
    """Return a study with some trials that have ended, and its next one, with values that are given to it."""
    study, made, space = optuna.create_study(), settings(sampler, seed=3), read_space(MIXED)
    for number in range(before):
        study.sampler = make_sampler(made, number)
        trial = study.ask()
        study.tell(trial, float(suggest(study, trial, space)["x"]))
    study.enqueue_trial(first)
    study.sampler = make_sampler(made, before)
    return study, study.ask()


@pytest.mark.parametrize("sampler", REPEATABLE, ids=str)
@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize("first", [{}, {"x": 0.5}, {"z": 7}], ids=str)
def test_a_point_that_was_cut_off_in_the_middle_is_finished_as_it_would_have_been(sampler, before, first):
    space = read_space(MIXED)
    whole = suggest(*asked(sampler, before, first), space)
    for done in range(1, len(MIXED)):
        study, trial = asked(sampler, before, first)
        suggest(study, trial, read_space(MIXED[:done]))
        study.sampler = make_sampler(settings(sampler, seed=3), before)  # as another process would
        (frozen,) = study.get_trials(states=[TrialState.RUNNING])
        assert suggest(study, trial_again(study, frozen), space) == whole


def test_a_point_of_a_gaussian_process_that_was_cut_off_is_finished_as_it_would_have_been():
    sampler, space = of("GPSampler", n_startup_trials=2), read_space(MIXED)
    whole = suggest(*asked(sampler, 4, {}), space)
    study, trial = asked(sampler, 4, {})
    suggest(study, trial, read_space(MIXED[:1]))
    study.sampler = make_sampler(settings(sampler, seed=3), 4)  # as another process would
    (frozen,) = study.get_trials(states=[TrialState.RUNNING])
    assert suggest(study, trial_again(study, frozen), space) == whole


class Unasked(samplers.BaseSampler):
    """A sampler that no value is asked of."""

    def infer_relative_search_space(self, *_):
        raise AssertionError("asked")

    sample_relative = sample_independent = infer_relative_search_space


@pytest.mark.parametrize("sampler", [*REPEATABLE, of("QMCSampler")], ids=str)
def test_a_point_that_is_whole_is_not_drawn_again(sampler):
    space = read_space(MIXED)
    study, trial = asked(sampler, 4, {})
    whole = suggest(study, trial, space)
    (frozen,) = study.get_trials(states=[TrialState.RUNNING])
    study.sampler = Unasked()
    assert suggest(study, trial_again(study, frozen), space) == whole


def test_samplers_may_have_parts_that_are_made_too():
    crossover = {"_target_": "optuna.samplers.nsgaii.BLXAlphaCrossover", "alpha": 0.25}
    node = of("NSGAIISampler", crossover=crossover)
    made = [make_sampler(settings(node), number) for number in (0, 1)]
    inner = [sampler._child_generation_strategy._crossover for sampler in made]
    assert all(type(part) is samplers.nsgaii.BLXAlphaCrossover for part in inner)
    assert inner[0] is not inner[1]  # anew for each trial


def test_trials_of_tpe_that_run_at_the_same_time_differ_whatever_is_asked_for():
    assert make_sampler(settings(of("TPESampler", constant_liar=False)), 0)._constant_liar
