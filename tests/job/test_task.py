import json
from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict
from torch import nn

import lightune.run
from lightune.config.trust import trust
from lightune.errors import ConfigError, InterruptedRun, TrainingError, TrialError
from lightune.job.folders import job_config
from lightune.job.handover import handover
from lightune.job.hydra_files import Withheld
from lightune.job.task import objectives_of, open_run_dir, task
from lightune.paths import conf_dir
from lightune.study.executors.worker.isolation import as_found
from lightune.trial import Trial, running

TINY = ("trainer=cpu", "data=wine", "trainer.max_epochs=1", "model.units=4", "metrics.bootstrap=0", "logger=none")
BASIC = ("hydra/sweeper=basic", "hydra/launcher=basic")
SECRET = "hunter2-b4tt3ry-staple"
RESULT = SimpleNamespace(
    objective=SimpleNamespace(metric="val/accuracy", value=0.75),
    metrics={"val/accuracy": 0.5, "val/loss": 0.25},
    seconds={"train": 1.0, "test": 0.5},
    error=None,
    status="failed",
    run_dir="outputs/it",
)


def results(tmp_path):
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "outputs").rglob("result.json"))]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Make Hydra's job under way of some overrides; return its configuration and its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED", SECRET)

    def begin(*overrides, multirun=False):
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        config = loader.load_configuration("train", [*TINY, *overrides], run_mode=mode)
        folder = tmp_path / "outputs" / "runs" / "it"
        with open_dict(config):
            config.hydra.mode, config.hydra.runtime.output_dir = mode, str(folder)
            config.hydra.job.id, config.hydra.job.num = "0", 0
        (folder / ".hydra").mkdir(parents=True)
        HydraConfig.instance().set_config(config)
        return job_config(config), folder

    with as_found(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        yield begin
    handover.clear()


@pytest.fixture
def train(monkeypatch):
    """Train nothing; return what trainings were called with, and let them end with a result or an error."""
    calls = []

    def trained(cfg, **how):
        calls.append({"cfg": cfg, **how})
        if isinstance(calls.ends_with, BaseException):
            raise calls.ends_with
        return calls.ends_with

    class Calls(list):
        ends_with = RESULT

    calls = Calls()
    monkeypatch.setattr(lightune.run, "train", trained)
    monkeypatch.setattr(lightune.run, "prepare", lambda cfg, *, verbose: SimpleNamespace(task="prepared", of=cfg))
    return calls


def test_a_run_is_judged_by_its_objective():
    assert objectives_of(RESULT, nn.Linear(1, 1), None) == 0.75
    assert objectives_of(RESULT, nn.Linear(1, 1), Trial(0)) == 0.75


def test_a_trial_is_judged_by_what_its_study_names():
    trial = Trial(0, objectives=("parameters", "val/loss", "seconds", "val/accuracy", "val/f1"))
    assert objectives_of(RESULT, nn.Linear(3, 2), trial) == [8.0, 0.25, 1.5, 0.75, None]


def test_a_run_trains_what_was_prepared_in_the_folder_of_hydra(job, train):
    cfg, folder = job()
    assert task(cfg) == 0.75
    (call,) = train
    assert (call["cfg"], call["run_dir"], call["resume"], call["parts"].of) == (cfg, folder, False, cfg)
    assert "report" not in call


def test_what_the_preflight_has_built_is_trained_once(job, train):
    cfg, _ = job()
    handover.parts = parts = SimpleNamespace(task=None)
    task(cfg)
    task(cfg)
    assert [call["parts"] is parts for call in train] == [True, False]


def test_a_run_that_is_resumed_has_the_configuration_that_was_judged(job, train):
    cfg, _ = job()
    handover.resumed = resumed = OmegaConf.create({"seed": 7})
    task(cfg)
    task(cfg)
    assert [(call["cfg"] is resumed, call["resume"]) for call in train] == [(True, True), (False, False)]


def test_a_process_beside_the_first_writes_nothing(job, train, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    task(job()[0])
    assert train[0]["run_dir"] is None


def test_the_jobs_of_a_search_leave_the_test_part_alone(job, train):
    for number, multirun in enumerate((False, True)):
        cfg, folder = job(multirun=multirun)
        task(cfg)
        assert train[number]["cfg"].test is not multirun
        folder.rename(folder.with_name(str(number)))


@pytest.mark.parametrize("prunes", [True, False])
def test_a_trial_reports_where_its_study_prunes(job, train, prunes):
    trial = Trial(3, point={"optimizer.lr": "0.1"}, keys=("optimizer.lr",), resume=True, prunes=prunes)
    with running(trial):
        task(job(multirun=True)[0])
    (call,) = train
    assert (call["report"] == trial.report, call["report"] is None) == (prunes, not prunes)
    assert (call["resume"], call["hparams"]) == (True, {"optimizer.lr": 0.1})


def test_a_failed_training_ends_a_run_with_1_and_a_trial_with_an_error_that_needs_no_torch(job, train):
    train.ends_with = TrainingError(RESULT)
    cfg, folder = job()
    with pytest.raises(SystemExit) as stop:
        task(cfg)
    assert stop.value.code == 1
    folder.rename(folder.with_name("0"))
    with pytest.raises(TrialError, match=r"failed \(see outputs/it\)") as failure:
        task(job(multirun=True)[0])
    assert (failure.value.__cause__, failure.value.__context__) == (None, None)


def test_an_interrupted_training_ends_with_the_code_of_its_signal(job, train):
    train.ends_with = InterruptedRun(RESULT, 143)
    with pytest.raises(SystemExit) as stop:
        task(job()[0])
    assert stop.value.code == 143


def test_a_folder_elsewhere_is_refused_unless_it_was_judged_before(job):
    cfg, folder = job("hydra.run.dir=elsewhere")
    with pytest.raises(ConfigError, match="must lie below output_root"):
        open_run_dir(cfg)
    assert open_run_dir(cfg, follows=True) == folder


def test_files_that_hydra_was_kept_from_saving_are_written_by_the_job(job):
    cfg, folder = job("note=mine")
    handover.withheld = Withheld(".hydra", {"COPY": "${oc.env:PLANTED}"})
    assert open_run_dir(cfg) == folder
    assert OmegaConf.load(folder / ".hydra" / "config.yaml").note == "mine"
    assert "COPY: ${oc.env:PLANTED}" in (folder / ".hydra" / "hydra.yaml").read_text()


def test_values_of_the_environment_that_hydra_has_saved_are_taken_out(job):
    cfg, folder = job("note=${oc.env:PLANTED}", "+hydra.job.env_set.COPY=${oc.env:PLANTED}")
    file = folder / ".hydra" / "hydra.yaml"
    file.write_text(OmegaConf.to_yaml(OmegaConf.masked_copy(HydraConfig.instance().cfg, "hydra"), resolve=False))
    written = OmegaConf.load(file)
    written.hydra.job.env_set.COPY = SECRET
    OmegaConf.save(written, file)
    open_run_dir(cfg)
    assert SECRET not in file.read_text()
    assert OmegaConf.is_missing(OmegaConf.load(file).hydra.job.env_set, "COPY")


def test_a_removed_preflight_is_made_up_for(cli, tmp_path):
    code, _, err = cli("~hydra.callbacks.lightune", "optimizer.lr=-1")
    assert code == 2
    assert "optimizer.lr  must be a finite number > 0, got -1" in err
    assert results(tmp_path) == []


@pytest.mark.parametrize(
    "arguments", [[], ["-m", "hydra/sweeper=basic", "note=a,../../../../escaped", "hydra.sweep.subdir=${note}"]]
)
def test_a_folder_elsewhere_is_refused_without_the_preflight_too(cli, tmp_path, arguments):
    elsewhere = [] if arguments else [f"hydra.run.dir={tmp_path}/elsewhere"]
    code, _, err = cli(*arguments, "~hydra.callbacks.lightune", *TINY, *elsewhere, "hydra.output_subdir=null")
    assert code == 2
    assert "must lie below" in err
    assert results(tmp_path) == []
    assert not list(tmp_path.glob("e*/*"))


def test_a_failing_training_exits_with_1_and_no_traceback(cli, tmp_path, monkeypatch):
    (tmp_path / "own_bomb_of_a_task.py").write_text(
        "from pytorch_lightning import Callback\n"
        "class Bomb(Callback):\n"
        "    def on_train_start(self, trainer, module): raise RuntimeError('it went off')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    trust("own_bomb_of_a_task")
    code, out, err = cli(*TINY, "+callbacks.bomb._target_=own_bomb_of_a_task.Bomb")
    assert code == 1
    assert "RuntimeError: it went off" in out
    assert "Traceback" not in out + err
    (result,) = results(tmp_path)
    assert result["status"] == "failed"


def test_a_grid_with_the_basic_sweeper_trains_every_point(cli, tmp_path):
    code, _, _ = cli("-m", *BASIC, *TINY, "optimizer.lr=1e-3,1e-1", "seed=0,1")
    assert code == 0
    done = results(tmp_path)
    assert [result["seed"] for result in done] == [0, 1, 0, 1]
    assert not [name for result in done for name in result["metrics"] if name.startswith("test/")]
    assert len({result["objective"]["value"] for result in done}) > 1
