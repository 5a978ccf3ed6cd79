"""`from=RUN`: a finished configuration as the base, with what is typed around it."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from command_line import run_train
from omegaconf import OmegaConf
from studies import rows, write_study

from lightune import compose
from lightune.cli.starting_point import started_from
from lightune.errors import ConfigError
from lightune.reporting.result import read_result
from lightune.study.definition.spec import read_spec
from lightune.study.outputs.command import command_to_go_on

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "logger=none")


@pytest.fixture
def frozen(tmp_path, monkeypatch):
    """Write what a run of an odd configuration kept, as `run` in the current folder."""
    monkeypatch.chdir(tmp_path)
    cfg = compose(
        [*QUICK, "model.units=7", "optimizer=sgd", "seed=5", "regularization=l2", "name=odd", "test=false"]
    )
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    OmegaConf.save(cfg, tmp_path / "run" / ".hydra" / "config.yaml")
    return cfg


@pytest.fixture
def composed(cli):
    """Return what the application composes."""

    def call(*words):
        code, out, err = cli(*words, "--cfg", "job")
        assert code == 0, err
        return OmegaConf.create(yaml.safe_load(out))

    return call


def test_the_configuration_is_the_frozen_one(frozen, composed):
    found = composed("from=run")
    assert found["from"] == "run"
    found["from"], expected = None, OmegaConf.to_container(frozen, resolve=False)
    assert OmegaConf.to_container(found) == OmegaConf.to_container(OmegaConf.create(expected))


def test_values_are_set_on_it(frozen, composed):
    found = composed("from=run", "seed=9", "optimizer.lr=0.5", "model.units=[3,4]")
    assert (found.seed, found.optimizer.lr, found.model.units) == (9, 0.5, [3, 4])
    assert found.optimizer._target_ == frozen.optimizer._target_
    assert found.regularization == frozen.regularization


def test_a_group_is_taken_from_the_files_of_today(frozen, composed):
    today = compose(["model=cnn"])
    found = composed("from=run", "model=cnn", "model.units=6")
    assert found.model == OmegaConf.merge(today.model, {"units": 6})
    assert found.optimizer == frozen.optimizer


def test_data_bring_what_goes_with_them(frozen, composed):
    found = composed("from=run", "data=diabetes")
    today = compose(["data=diabetes"])
    for group in ("data", "loss", "metrics", "monitor"):
        assert found[group] == today[group], group
    assert found.optimizer == frozen.optimizer


def test_a_trainer_wins_with_what_comes_after_an_experiment(frozen, composed):
    assert composed("from=run", "trainer=smoke").trainer == compose(["trainer=smoke"]).trainer


def test_what_searches_is_of_today(frozen, composed):
    assert composed("from=run", "search=tpe").search == compose(["search=tpe"]).search


def test_of_a_study_it_is_the_best_trial(frozen, composed, tmp_path):
    study = write_study(tmp_path / "outputs" / "studies" / "s", "completed,0.9,1e-3", "completed,0.5,1e-2")
    for number, units in ((0, 31), (1, 32)):
        frozen.model.units = units
        (study / "trials" / str(number) / ".hydra").mkdir(parents=True)
        OmegaConf.save(frozen, study / "trials" / str(number) / ".hydra" / "config.yaml")
    assert composed("from=s").model.units == 31
    assert composed(f"from={study}/trials/1").model.units == 32


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["from=nowhere"], "nowhere  is no run: there is no such folder"),
        (["from=run,run", "-m"], "from  must be the folder of one run, trial or study"),
        (["from=run", "from=run"], "from  must be the folder of one run, trial or study"),
        (["from=run", "experiment=digits_cnn"], "experiment  names another configuration than from= does"),
        (["from=run", "resume=run"], "resume  names another configuration than from= does"),
        (["from=run", "--config-dir", "run"], "--config-dir  names another configuration than from= does"),
        (["from=run", "modle=cnn"], "did you mean 'model'?"),
        (["from=run", "model.unit=3"], "model.unit"),
        (["from=run", "optimizer.lr=-1"], "optimizer.lr  must be a finite number > 0, got -1"),
    ],
)
def test_what_cannot_be_is_refused(frozen, cli, words, said):
    code, out, err = cli(*words)
    assert code == 2
    assert said in out + err
    assert "Traceback" not in err


def test_a_file_does_not_say_it(frozen, cli, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("defaults: [train, _self_]\nfrom: run\n")
    code, _, err = cli("--config-dir", "own", "--config-name", "mine")
    assert code == 2
    assert "from  is read from the command line alone, and a file says run; type from=RUN, or from=null" in err


def test_python_does_not_say_it(frozen):
    with pytest.raises(ConfigError, match="belongs to the command line"):
        compose(["from=run"])


def test_words_without_it_are_left_alone():
    for words in ([], ["seed=1", "-m"], ["from=null"]):
        with started_from(words) as found:
            assert found == words


def test_its_file_is_there_as_long_as_it_is_needed(frozen):
    with started_from(["from=run", "seed=1"]) as words:
        *added, last, seed = words
        folder = Path(added[0].partition("=")[2])
        assert (folder / "from.yaml").is_file()
        assert (last, seed) == ("from=run", "seed=1")
        with started_from(words) as again:
            assert again == words
    assert not folder.exists()


@pytest.mark.long
def test_a_run_from_a_run_is_the_same_run(frozen, cli):
    assert run_train("from=run", "hydra.run.dir=outputs/runs/one") == 0
    assert run_train("from=outputs/runs/one", "hydra.run.dir=outputs/runs/two") == 0
    one, two = (read_result(Path("outputs/runs", name)) for name in ("one", "two"))
    assert one.metrics == two.metrics
    assert shlex.split(two.provenance["command"]) == [
        "train.py", "from=outputs/runs/one", "hydra.run.dir=outputs/runs/two",
    ]  # fmt: skip


@pytest.mark.long
def test_a_study_around_a_run_goes_on_by_the_same_words(frozen, cli):
    words = ("-m", "from=run", "model=mlp,cnn", "search.study=s", "hydra/launcher=basic")
    assert run_train(*words) == 0
    study = Path("outputs/studies/s")
    assert len(rows(study)) == 2
    command = command_to_go_on(study, replace(read_spec(study), program="python train.py"))
    assert command == ("python train.py -m hydra/launcher=basic from=run model=mlp,cnn search.study=s")
    shutil.rmtree(study / "trials" / "1")
    (study / "journal.log").write_text("".join((study / "journal.log").read_text().splitlines(keepends=True)[:-1]))
    assert run_train(*words) == 0
    assert [row["state"] for row in rows(study)] == ["completed"] * 2
    kept = OmegaConf.load(study / "trials" / "1" / ".hydra" / "config.yaml")
    assert kept.optimizer == frozen.optimizer
    assert run_train("--config-dir", str(study), "--config-name", "best") == 0
