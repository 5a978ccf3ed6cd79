"""Messages advise in the keys that an application has."""

import pytest
from omegaconf import OmegaConf

from lightune.errors import ConfigError, StorageError
from lightune.study.messages import LIGHTUNE, OTHERS, vocabulary_of
from lightune.study.space.reader import read_space
from lightune.study.space.space import interval_in_grid
from lightune.study.storage.backends import open_storage

OURS = OmegaConf.create({"search": {"n_trials": 3}})
OTHER = [OmegaConf.create({"x": 1}), OmegaConf.create({"search": {}}), OmegaConf.create({"search": "a word"})]


def test_lightune_is_told_its_own_keys():
    assert vocabulary_of(OURS) is LIGHTUNE
    assert LIGHTUNE.key("n_trials") == "search.n_trials"


@pytest.mark.parametrize("config", OTHER)
def test_another_application_is_told_those_of_hydra(config):
    assert vocabulary_of(config) is OTHERS
    assert OTHERS.key("n_trials") == "hydra.sweeper.n_trials"


def damaged_journal(vocabulary, folder):
    (folder / "journal.log").write_bytes(b'{"op_code": 0}\n?\n{"op_code": 0}\n')
    open_storage(None, folder, vocabulary=vocabulary)


def unknown_database(vocabulary, folder):
    open_storage("nosuch://host/db", folder, vocabulary=vocabulary, pause=0)


def nothing_swept(vocabulary, folder):
    read_space([], vocabulary=vocabulary).point_of({"x": 1})


def idle_condition(vocabulary, folder):
    read_space([], params={"x": {"space": [1], "when": {"y": 2}}}, vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("refusal", "ours", "others"),
    [
        (damaged_journal, "take another search.study=", "take another hydra.sweep.dir="),
        (unknown_database, "search.storage: nosuch", "hydra.sweeper.storage: nosuch"),
        (nothing_swept, "searched in search.space, or", "searched in hydra.sweeper.space, or"),
        (idle_condition, "search.space.x", "hydra.sweeper.space.x"),
    ],
)  # fmt: skip
def test_a_refusal_names_what_can_be_set(refusal, ours, others, tmp_path):
    for vocabulary, text in ((LIGHTUNE, ours), (OTHERS, others)):
        with pytest.raises((ConfigError, StorageError)) as said:
            refusal(vocabulary, tmp_path)
        assert text in str(said.value)


def test_a_grid_of_an_interval_names_what_can_be_chosen():
    assert interval_in_grid(read_space(["x=interval(0,1)"])).endswith("or choose search=tpe")
    assert interval_in_grid(read_space(["x=interval(0,1)"], vocabulary=OTHERS)).endswith(
        "or choose hydra/sweeper/sampler=tpe"
    )
