import pytest
from omegaconf import OmegaConf

from lightune.study.definition.identity import differences, folder_name, identity_of


def config(*overrides, **keys):
    hydra = {"overrides": {"task": list(overrides), "hydra": []}, "job": {"config_name": "train"}}
    return OmegaConf.create({"name": "run", "hydra": hydra, **keys})


def test_a_name_shows_what_is_swept_wherever_it_stands():
    name = folder_name(config("optimizer.lr=1,2", "seed=3", search={"space": {"model.units": "range(1,4)"}}))
    assert name.rpartition("_")[0] == "run_lr_units"
    assert folder_name(config("x=1,2", search={"study": "mine"})) == "mine"


def test_two_studies_have_two_names_and_the_order_of_overrides_is_none():
    assert folder_name(config("a=1,2", "b=3")) == folder_name(config("b=3", "a=1,2"))
    assert folder_name(config("a=1,2", "b=3")) != folder_name(config("a=1,2", "b=4"))


@pytest.mark.parametrize(
    "quiet",
    [
        "search.n_trials=7",
        "search.storage=sqlite:///x.db",
        "hydra.launcher.ray.init.address=ray://other:1",
        "hydra/launcher=cluster",
        "output_root=elsewhere",
    ],
)
def test_how_much_and_where_say_nothing_of_which(quiet):
    assert identity_of(config("a=1,2", quiet)) == identity_of(config("a=1,2"))


def test_a_difference_is_shown_by_its_lines():
    began, asked = identity_of(config("a=1,2", "b=3")), identity_of(config("a=1,2", "b=4", "c=5"))
    assert differences(began, asked) == ["+ c=5", "- b=3   + b=4"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["model=cnn", "model={units: 1}"], ["model={units: 1}"]),
        (["model={units: 1}", "model=cnn"], ["model={units: 1}"]),
        (["model={units: 1}", "model=cnn"], ["model=cnn"]),
        (["model={units: 1}", "model={units: 2}"], ["model={units: 2}", "model={units: 1}"]),
        (["model={units: 1},{units: 3}", "model={layers: 2}"], ["model={layers: 2}"]),
        (["model.units=3", "model={units: 1}"], ["model={units: 1}", "model.units=3"]),
    ],
    ids=str,
)
def test_a_mapping_beside_what_it_changes_makes_another_study(one, other):
    assert identity_of(config(*one)) != identity_of(config(*other))
