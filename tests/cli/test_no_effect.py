"""Words without an effect are said in one line; words with one are not."""

from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from lightune.cli import no_effect
from lightune.config.suggestions import leaves_of
from lightune.job.folders import job_config
from lightune.paths import conf_dir
from lightune.study.definition.definition import read_definition
from lightune.study.definition.identity import overrides_of

OWN = """
class Bare:
    def __init__(self, rate=0.1): ...

class WithModel:
    def __init__(self, model, optimizer): ...

class Plain:
    accepts = ("table",)
    def __init__(self, input_shape, width=3): ...

class Shaped:
    def __init__(self, input_shape, num_outputs, width=3): ...
"""


@pytest.fixture(scope="module", name="compose")
def _compose():
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()

        def compose(*words, mode=RunMode.RUN):
            return loader.load_configuration("train", list(words), mode)

        yield compose


@pytest.fixture
def run(compose, tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))

    def said(*words):
        config = compose(*words)
        return list(no_effect.of_run(config, job_config(config)))

    return said


@pytest.fixture
def multirun(compose, run):
    def said(*words):
        config = compose(*words, mode=RunMode.MULTIRUN)
        definition = None
        if str(config.hydra.sweeper._target_).startswith(no_effect.OUR_PLUGINS):
            loader = GlobalHydra.instance().config_loader()
            definition = read_definition(config, loader, overrides_of(config, "task"))
        return list(no_effect.of_multirun(config, job_config(config), definition))

    return said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["search.n_trials=5"], "search.n_trials=5 has no effect without -m; this is one run"),
        (
            ["search=tpe", "hydra.sweep.dir=x"],
            "hydra.sweep.dir=x and search=tpe have no effect without -m",
        ),
        (["search.storage='sqlite:///x?password=hunter2'"], "search.storage=… has no effect without -m"),
        (["++search={storage: 'sqlite:///x?password=hunter2'}"], "++search=… has no effect without -m"),
        (
            ["hydra/launcher=fused", "hydra.launcher.fused_width=4"],
            "hydra/launcher=fused starts nothing",
        ),
        (["++search.space={seed: [1, 2]}"], "search.space (seed) is not searched without -m"),
        (
            ["test=false", "metrics.bootstrap=9"],
            "metrics.bootstrap=9 has no effect: it is for the test",
        ),
        (["model.dropout=0.1", "regularization=dropout"], "regularization=dropout has no effect: no part reads"),
        (["model=cnn", "regularization=dropout", "regularization.l2=0.1"], None),
        (
            ["model.dropout=0.1", "regularization.dropout=0.2"],
            "regularization.dropout=0.2 has no effect: no part reads regularization.dropout",
        ),
    ],
    ids=str,
)
def test_what_a_run_has_no_use_for_is_said(run, words, line):
    said = run(*words) if line else []
    assert len(said) == bool(line)
    assert not line or said[0].startswith(line)
    assert "hunter2" not in str(said)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["optimizer.lr=0.5"], "own_parts.Bare does not take optimizer: optimizer.lr=0.5 has no effect"),
        (
            ["optimizer=sgd", "scheduler=cosine", "loss.label_smoothing=0.1"],
            "own_parts.Bare does not take loss or optimizer or scheduler: optimizer=sgd and scheduler=cosine and "
            "loss.label_smoothing=0.1 have no effect",
        ),
        (["optimizer={lr: 0.5}"], "own_parts.Bare does not take optimizer: optimizer={lr: 0.5} has no effect"),
        (
            ["regularization.l2=1"],
            "own_parts.Bare does not take regularization: regularization.l2=1 has no effect",
        ),
        (["regularization.gradient_clip=1"], None),
        (["regularization=gradient_clip"], None),
        (["optimizer.lr=0.5", "task={rate: '${optimizer.lr}'}"], None),
        (["data=wine", "trainer.max_epochs=3", "seed=1", "validation.val_fraction=0.2"], None),
    ],
    ids=str,
)
def test_what_a_task_of_ones_own_does_not_take_is_said_where_it_was_set(run, words, line):
    assert run("++task={_target_: own_parts.Bare, rate: 1}", *words) == ([line] if line else [])


@pytest.mark.parametrize(
    ("model", "words", "said_of"),
    [
        ("Plain", ["loss=mse"], "loss=mse"),
        ("Shaped", ["loss=mse"], None),
        ("Plain", ["model.width=4"], None),
        ("Plain", ["metrics.average=micro"], "metrics.average=micro"),
    ],
)
def test_a_part_that_another_needs_is_used(run, model, words, said_of):
    said = run("task._target_=own_parts.WithModel", f"++model={{_target_: own_parts.{model}, width: 3}}", *words)
    assert len(said) == bool(said_of)
    assert not said_of or f"{said_of} has no effect" in said[0]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["hydra.sweep.subdir=${hydra.job.num}", "note=${oc.env:NOWHERE_TO_BE_FOUND}"], None),
        (["hydra.run.dir=x"], "hydra.run.dir=x has no effect with -m"),
        (["test=true"], "test=true has no effect with -m: trials are not tested"),
        (["search.fused_width=3"], "search.fused_width=3 has no effect with hydra/launcher=local"),
        (["search.fused_width=3", "hydra/launcher=fused"], None),
        (["search.n_jobs=3", "hydra/launcher=basic"], "search.n_jobs=3 has no effect with hydra/launcher=basic"),
        (["search.n_jobs=3"], None),
        (["search.jobs_per_gpu=2", "trainer=cpu"], "search.jobs_per_gpu=2 has no effect: trials train on the CPU"),
        (["search.n_trials=3", "hydra/sweeper=basic"], "search.n_trials=3 has no effect with hydra/sweeper=basic"),
        (["metrics.bootstrap=9"], "metrics.bootstrap=9 has no effect: it is for the test figure"),
        (["optimizer.lr=0.1,0.2", "search.seed=3"], "search.seed=3 has no effect on a grid"),
        (
            ["search=grid", "optimizer.lr=0.1,0.2", "hydra.sweeper.seed=3", "hydra.sweeper.sampler.seed=4"],
            "hydra.sweeper.sampler.seed=4 and hydra.sweeper.seed=3 have no effect on a grid",
        ),
        (["optimizer.lr=shuffle(0.1,0.2)", "search.seed=3"], None),
        (["++search.space={optimizer.lr: 'shuffle(0.1,0.2)'}", "search.seed=3"], None),
        (["optimizer.lr=interval(0.1,0.2)", "search.seed=3"], None),
        (["search=random", "optimizer.lr=0.1,0.2", "search.seed=3"], None),
        (["search=tpe", "hydra.sweeper.sampler.n_startup_trials=3", "optimizer.lr=0.1,0.2"], None),
        (
            ["search=tpe", "hydra.sweeper.sampler.seed=3", "optimizer.lr=0.1,0.2"],
            "hydra.sweeper.sampler.seed=3 has no effect: search.seed",
        ),
        (
            ["search=asha", "hydra.sweeper.sampler.constant_liar=false", "optimizer.lr=0.1,0.2"],
            "hydra.sweeper.sampler.constant_liar=false has no effect: a study has it always",
        ),
        (["hydra.sweeper.max_batch_size=3"], "hydra.sweeper.max_batch_size=3 has no effect with hydra"),
        (["hydra.launcher.n_jobs=3"], "hydra.launcher.n_jobs=3 has no effect: search.n_jobs"),
        (["hydra.launcher.n_jobs=3", "hydra/sweeper=basic"], None),
        (
            ["validation.resplit=true", "optimizer.lr=1,2"],
            "validation.resplit=true has no effect: no seed is swept",
        ),
        (["validation.resplit=true", "seed=1,2"], None),
        (["validation.resplit=true", "optimizer.lr=1,2", "repeats=3"], None),
        (
            ["regularization=swa", "regularization.swa=0.9", "trainer.max_epochs=2", "seed=1,2"],
            "regularization=swa and regularization.swa=0.9 have no effect: of 2 epochs none is averaged",
        ),
        (
            ["regularization=swa", "regularization.swa=0.5", "trainer.max_epochs=2", "seed=1,2"],
            "regularization=swa and regularization.swa=0.5 have no effect: of 2 epochs the last alone is averaged",
        ),
        (["regularization=swa", "regularization.swa=0.5", "trainer.max_epochs=4", "seed=1,2"], None),
        (["regularization=swa", "regularization.swa=0.75,0.25", "trainer.max_epochs=4"], None),
        (
            ["task._target_=own_parts.Bare", "++search.space={optimizer.lr: [1, 2]}"],
            "own_parts.Bare does not take optimizer: search.space.optimizer.lr has no effect",
        ),
        (
            ["task._target_=own_parts.Bare", "optimizer.lr=1,2"],
            "own_parts.Bare does not take optimizer: opt",
        ),
    ],
    ids=str,
)
def test_what_a_multirun_has_no_use_for_is_said(multirun, words, line):
    said = multirun(*words)
    assert len(said) == bool(line)
    assert not line or said[0].startswith(line)


def test_only_keys_of_the_search_have_no_effect_on_an_ordinary_run(compose):
    config = compose()
    cfg, said = job_config(config), {}
    for key in leaves_of(cfg):
        config.hydra.overrides.task = [f"{key}=1"]
        said[key] = list(no_effect.of_run(config, cfg))
    idle = [key for key in said if said[key] and not key.startswith("search")]
    assert idle == [f"schedule.{key}" for key in ("start", "every", "milestones", "follow", "max_batch_size")]
    assert [key for key in said if key.startswith("search") and not said[key]] == ["search.keep_predictions"]


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        ("Wine", ["data.num_workers=3"], "data.num_workers=3 has no effect: the samples are in memory"),
        ("Wine", ["validation.fused=never"], "validation.fused=never has no effect: this run is one fit"),
        ("Wine", ["validation.resplit=true"], "validation.resplit=true has no effect: this run is one fit"),
        ("Wine", ["validation.stratify=true", "validation.test_fraction=0.2", "data.batch_size=8"], None),
        ("Diabetes", ["validation.stratify=true"], "validation.stratify=true has no effect on a regression"),
        (
            "Wine",
            ["validation.order=year", "validation.stratify=true"],
            "validation.stratify=true has no effect: validation.order=year divides",
        ),
        ("Wine", ["++data.target_scaling=none"], "++data.target_scaling=none has no effect on a classification"),
        ("Diabetes", ["++data.target_scaling=none"], None),
        (
            "Official",
            ["validation.test_fraction=0.2"],
            "validation.test_fraction=0.2 has no effect: Official",
        ),
        (
            "Official",
            ["validation.val_fraction=0.2"],
            "validation.val_fraction=0.2 has no effect: Official has an official validation part",
        ),
        (
            "Digits",
            ["augmentation.saturation=0.2"],
            "augmentation.saturation=0.2 has no effect: images of 1 channel",
        ),
        ("Digits", ["augmentation.contrast=0.2"], ""),
        ("Own", ["validation=kfold", "validation.k=3"], "validation=kfold and validation.k=3 have no effect: Own"),
        ("Folded", ["validation=kfold", "validation.k=3"], ""),
        (
            "Folded",
            ["validation=kfold", "validation.test_fraction=0.3"],
            "validation.test_fraction=0.3 has no effect: Own keeps its test part",
        ),
    ],
    ids=str,
)
def test_what_the_data_have_no_use_for_is_said(compose, data, words, line):
    from dataclasses import replace

    from pytorch_lightning import LightningDataModule

    from lightune.data import Diabetes, Digits, Wine
    from lightune.data.indexed import IndexedData

    class Official(Wine):
        def load(self):
            return replace(super().load(), official_test=9, official_val=9)

    class Own: ...

    class Folded(IndexedData):
        def __init__(self):
            LightningDataModule.__init__(self)
            self.own = Own()

    known = {
        "Folded": Folded,
        "Digits": Digits,
        "Wine": Wine,
        "Diabetes": Diabetes,
        "Official": Official,
        "Own": Own,
    }
    parts = SimpleNamespace(data=known[data](), plans=(0,))
    said = list(no_effect.after_building(compose(*words), parts))
    assert len(said) == bool(line)
    assert not line or said[0].startswith(line)
