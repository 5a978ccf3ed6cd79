"""Which studies divide the data by one seed, and what is said of swept seeds."""

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import open_dict, read_write

from lightune.study.definition.definition import read_definition
from lightune.study.definition.identity import overrides_of

REPEAT = "seed is searched: a swept seed is a repeat of its point, no other point; repeats=N gives the mean over N"
TPE = "optimizer.lr=interval(1e-3,1)"


@pytest.fixture
def space_of(train_multirun):
    """Read the space of a study; `change` may alter its configuration first."""
    loader = GlobalHydra.instance().config_loader()

    def call(*overrides, change=lambda config: None):
        config = train_multirun(*overrides)
        with read_write(config), open_dict(config):
            change(config)
        return read_definition(config, loader, overrides_of(config, "task")).space

    return call


def split_seeds(space):
    """Return the seeds that the trials' overrides divide by."""
    lines = [line for point in [space.first_point()] for line in space.overrides(point)]
    return [line.partition("=")[2] for line in lines if line.startswith("validation.split_seed=")]


@pytest.mark.parametrize(
    ("words", "seed"),
    [
        (["seed=1,2"], "0"),
        (["experiment=digits_cnn", "seed=1,2"], "0"),
        (["++search.space={seed: [1, 2]}"], "0"),
        (["++search.space={seed: {space: [1, 2], when: {optimizer: adam}}}", "optimizer=sgd,adam"], "0"),
        (["seed=interval(1,9)"], "0"),
        (["seed=1,2", "validation=kfold,bootstrap"], "0"),
        (["seed=1,2", "validation.val_fraction=0.1,0.2", "data=wine,digits"], "0"),
        (["seed=1,2", "validation.resplit=false"], "0"),
        (["seed=1,2", "validation.split_seed=null"], "0"),
    ],
)
def test_trials_with_different_seeds_divide_by_the_seed_of_the_study(space_of, words, seed):
    assert split_seeds(space_of(*words))[-1] == seed


def test_the_seed_of_the_study_is_that_of_its_configuration(space_of):
    assert split_seeds(space_of("seed=1,2", change=lambda config: config.update(seed=9))) == ["9"]


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.lr=0.1,0.2"],
        ["seed=4", "optimizer.lr=0.1,0.2"],
        ["seed=1,2", "validation.resplit=true"],
        ["seed=1,2", "validation.split_seed=3"],
        ["seed=1,2", "~validation.split_seed"],
    ],
)
def test_others_divide_as_they_say(space_of, words):
    space = space_of(*words)
    assert split_seeds(space) == [line.partition("=")[2] for line in words if line.startswith("validation.split")]
    assert space.remarks == ()


def test_swept_seeds_of_the_division_are_swept(space_of):
    points = list(space_of("seed=1,2", "validation.split_seed=3,4").grid())
    assert [(point["seed"], point["validation.split_seed"]) for point in points] == [
        ("1", "3"), ("1", "4"), ("2", "3"), ("2", "4")
    ]  # fmt: skip


def test_a_study_that_began_without_the_key_goes_on_without_it(space_of):
    space = space_of("seed=1,2", change=lambda config: config.validation.pop("split_seed"))
    assert (split_seeds(space), space.remarks) == ([], ())


def test_an_application_without_the_groups_of_lightune_has_its_own_seeds(space_of):
    assert split_seeds(space_of("seed=1,2", change=lambda config: config.pop("search"))) == []


def test_ways_to_divide_of_which_some_have_no_seed_are_named(space_of):
    space = space_of("seed=1,2", "validation.resplit=true,false")
    (said,) = space.remarks
    assert said.startswith("seed is swept, and each trial divides the data by its own: some have no")
    assert split_seeds(space) == []


@pytest.mark.parametrize("words", [[TPE], ["search=tpe"], ["search=random"], ["search=qmc"], ["search=hyperband"]])
def test_a_swept_seed_of_a_sampled_search_is_called_a_repeat(space_of, words):
    assert space_of("seed=1,2", *words).remarks == (REPEAT,)
    assert space_of("optimizer=adam,sgd", *words).remarks == ()


@pytest.mark.parametrize("words", [[], ["search=grid"]])
def test_a_swept_seed_of_a_grid_is_not(space_of, words):
    assert space_of("seed=1,2", *words).remarks == ()
