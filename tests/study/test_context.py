"""A prepared study opens its own record, wherever its folder has been moved to and whatever it is called there."""

from dataclasses import replace

import pytest
from hydra.types import HydraContext
from omegaconf import OmegaConf

from lightune.config.own_code import OwnCode
from lightune.errors import ConfigError
from lightune.study.context import StudyContext
from lightune.study.definition.settings import Objective, Settings
from lightune.study.definition.spec import Spec
from lightune.study.messages import OTHERS
from lightune.study.outcome.outcome import Outcome
from lightune.study.space.reader import read_space
from lightune.study.storage.lease import Lease


@pytest.fixture
def study(tmp_path):
    settings = Settings(objectives=(Objective(None, "max"),), n_trials=2, vocabulary=OTHERS)
    space, folder = read_space(["x=1,2,3"]), tmp_path / "here"
    folder.mkdir()
    lease = Lease(folder)
    spec = Spec.of("began_as", {"x": "x=1,2,3"}, overrides=["x=1,2,3"], space=space, settings=settings,
                   storage="journal", config="conf", files={})  # fmt: skip
    yield StudyContext(
        folder=folder,
        hydra_context=HydraContext(config_loader=None, callbacks=None),
        config=OmegaConf.create(),
        settings=settings,
        space=space,
        url=None,
        print_line=print,
        spec=spec,
        code=OwnCode({}),
        resumed=False,
        kept=frozenset(),
        lease=lease,
    )
    lease.end()


def test_a_record_is_of_the_studys_trials_and_is_found_again(study):
    store = study.open_store()
    assert (store.n_trials, store.study.study_name) == (2, "began_as")
    assert store.study.direction.name == "MAXIMIZE"
    trial = store.ask(set())
    store.tell(trial.number, Outcome("completed", (1.5,), 0.1))
    (record,) = study.open_store().records()
    assert (record.number, record.point, record.values) == (0, {"x": "1"}, (1.5,))


def test_a_trial_is_that_of_the_studys_lease(study):
    study.open_store().ask(set())
    joined = replace(study, lease=Lease(study.folder))
    assert joined.open_store().ask(set()).number == 1  # trial 0 belongs to a driver that lives
    study.lease.end()
    assert joined.open_store().ask({1}).number == 0
    joined.lease.end()


def test_a_record_is_where_the_url_says(study, tmp_path):
    database = tmp_path / "record.db"
    replace(study, url=f"sqlite:///{database}").open_store().ask(set())
    assert database.exists()
    assert not (study.folder / "journal.log").exists()


def test_a_record_of_another_study_of_its_name_is_refused_in_the_words_of_the_application(study):
    study.open_store()
    other = replace(study, spec=replace(study.spec, identity={"x": "x=4,5"}))
    with pytest.raises(ConfigError, match=r"- x=1,2,3   \+ x=4,5\n.*take another hydra\.sweep\.dir="):
        other.open_store()
