"""What each option of `search` asks Optuna for."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from optuna import pruners, samplers

from lightune.paths import conf_dir
from lightune.study.definition.settings import Settings
from lightune.study.space.space import read_space
from lightune.study.storage.samplers import is_grid, make_pruner, make_sampler


@pytest.fixture(scope="module")
def settings_of():
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()

        def compose(*overrides):
            return Settings.from_config(
                loader.load_configuration("train", [*overrides], run_mode=RunMode.MULTIRUN)
            )

        yield compose


@pytest.mark.parametrize(
    ("name", "sampler", "pruner"),
    [
        ("auto", samplers.TPESampler, pruners.NopPruner),
        ("random", samplers.RandomSampler, pruners.NopPruner),
        ("tpe", samplers.TPESampler, pruners.NopPruner),
        ("gp", samplers.GPSampler, pruners.NopPruner),
        ("cmaes", samplers.CmaEsSampler, pruners.NopPruner),
        ("genetic", samplers.NSGAIISampler, pruners.NopPruner),
        ("qmc", samplers.QMCSampler, pruners.NopPruner),
        ("hyperband", samplers.TPESampler, pruners.HyperbandPruner),
        ("asha", samplers.TPESampler, pruners.SuccessiveHalvingPruner),
        ("median", samplers.TPESampler, pruners.MedianPruner),
    ],
)
def test_an_option_names_its_sampler_and_pruner(settings_of, name, sampler, pruner):
    settings = settings_of(f"search={name}", "trainer.max_epochs=9")
    assert type(make_sampler(settings, 0)) is sampler
    assert type(make_pruner(settings)) is pruner
    assert (settings.sampler is None) == (name == "auto")


def test_hyperbands_resource_is_the_epochs(settings_of):
    settings = settings_of("search=hyperband", "trainer.max_epochs=27")
    assert (settings.pruner["min_resource"], settings.pruner["max_resource"]) == (1, 27)


def test_a_grid_is_one_where_it_is_named_or_all_is_listed(settings_of):
    listed, interval = read_space(["seed=0,1"]), read_space(["optimizer.lr=interval(1e-3,1)"])
    assert is_grid(settings_of("search=grid"), listed)
    assert is_grid(settings_of("search=auto"), listed)
    assert not is_grid(settings_of("search=auto"), interval)
    assert not is_grid(settings_of("search=random"), listed)


def test_the_command_line_wins_over_an_option(settings_of):
    settings = settings_of(
        "search=tpe", "search.n_trials=3", "search.seed=7", "hydra.sweeper.sampler.n_startup_trials=4"
    )
    assert (settings.n_trials, settings.seed, settings.sampler["n_startup_trials"]) == (3, 7, 4)
