import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError, Problem
from lightune.study.messages import in_words_of, refusal_in_words_of
from lightune.study.storage.backends import StorageError

OURS = OmegaConf.create({"search": {"n_trials": 3}})
ANY = [OmegaConf.create({"x": 1}), OmegaConf.create({"search": {}}), OmegaConf.create({"search": "a word"})]


@pytest.mark.parametrize("config", ANY)
def test_another_application_is_told_its_own_keys(config):
    assert in_words_of(config, "raise search.n_trials or search.study=NAME") == (
        "raise hydra.sweeper.n_trials or hydra.sweep.dir=FOLDER"
    )
    swept = "search.beam=5 search.seeds=1 search.study_design=2 search=tpes search=adam other/search=tpe"
    for said in (swept, "/home/me/research.d/search.study/search.n_trials/3"):
        assert in_words_of(config, said) == said
    assert in_words_of(config, "choose search=genetic") == "choose hydra/sweeper/sampler=nsgaii"
    (problem,) = refusal_in_words_of(config, ConfigError([Problem("search.pruner", "choose search=tpe")])).problems
    assert problem == Problem("hydra.sweeper.pruner", "choose hydra/sweeper/sampler=tpe")
    assert str(refusal_in_words_of(config, StorageError("search.storage: no"))) == "hydra.sweeper.storage: no"


def test_lightune_is_told_its_own():
    assert in_words_of(OURS, "raise search.n_trials") == "raise search.n_trials"
