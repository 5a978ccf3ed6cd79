import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from lightune.paths import conf_dir
from lightune.study.hydra.composer import Composer


@pytest.fixture(scope="module")
def loader():
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture(scope="module")
def composer(loader):
    return Composer(loader, loader.load_configuration("train", ["optimizer.lr=1,2"], run_mode=RunMode.MULTIRUN))


TRIALS = [
    ["optimizer.lr=0.1"],
    ["optimizer.lr=0.2", "seed=3"],
    ["optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.5"],
    ["optimizer.momentum=0.25", "optimizer=sgd"],
    ["++trainer.limit_train_batches=2", "optimizer.lr=0.1"],
    ["~callbacks.early_stopping", "seed=1"],
    ["+model.more={a:1}", "model.units=3"],
    ["data=wine", "model.units=${seed}", "note='a,b'"],
    ["experiment=digits_cnn", "trainer.max_epochs=1"],
    ["callbacks.early_stopping.patience=3", "++callbacks.early_stopping={patience:4}"],
]


@pytest.mark.parametrize("lines", TRIALS, ids=str)
def test_a_trial_is_what_hydra_composes(composer, loader, lines):
    for _ in range(2):  # the second time from what was kept
        ours, hydras = composer.compose(lines), loader.load_sweep_config(composer._config, lines)
        assert OmegaConf.to_container(ours) == OmegaConf.to_container(hydras)
        assert OmegaConf.structural_equality(ours, hydras)


def test_one_trial_leaves_nothing_to_the_next(composer):
    assert composer.compose(["optimizer.lr=0.7"]).optimizer.lr == 0.7
    assert composer.compose(["seed=1"]).optimizer.lr != 0.7


def test_a_wrong_key_is_refused_in_hydras_words(composer, loader):
    for lines in (["optimizer.lrr=1"], ["optimizer=nosuch"]):
        with pytest.raises(HydraException) as wanted:
            loader.load_sweep_config(composer._config, lines)
        with pytest.raises(HydraException) as got:
            composer.compose(lines)
        assert str(got.value).splitlines()[0] == str(wanted.value).splitlines()[0]
