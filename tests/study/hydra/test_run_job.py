"""A job that runs without Hydra's copies is the job that Hydra runs."""

import logging
import os

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus
from hydra.core.utils import run_job as hydras_run_job
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf, open_dict

from lightune.paths import conf_dir
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer
from lightune.study.hydra.run_job import PackedReturn, run_job

LINES = ["optimizer=sgd", "optimizer.lr=0.1", "note='a,b: é'", "++model.more=[1,'1',null]"]


class Heard:
    """Callbacks that keep what they are told."""

    def __init__(self):
        self.told = []

    def on_job_start(self, config, **kwargs):
        self.told.append(("start", OmegaConf.to_yaml(config.hydra.job), config.hydra.runtime.output_dir))

    def on_job_end(self, config, job_return, **kwargs):
        self.told.append(("end", job_return.status))


@pytest.fixture(params=[[], ["+hydra.job.env_set.SEEN=${oc.env:TOLD}"]], ids=["plain", "with environment"])
def jobs(tmp_path, monkeypatch, request):
    """Return two ways to run a job: Hydra's and ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOLD", "from outside")
    with as_found(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        arguments = ["optimizer.lr=1,2", "hydra.sweep.dir=sweep", "hydra/job_logging=default", *request.param]
        config = loader.load_configuration("train", arguments, run_mode=RunMode.MULTIRUN)
        composer = Composer(loader, config)

        def context():
            return HydraContext(config_loader=loader, callbacks=Heard(), execution_whitelist=["torch.*"])

        def hydras(task, lines=LINES, number=3):
            composed, there = loader.load_sweep_config(config, lines), context()
            with open_dict(composed):
                composed.hydra.job.id, composed.hydra.job.num = str(number), number
            keys = {"job_dir_key": "hydra.sweep.dir", "job_subdir_key": "hydra.sweep.subdir"}
            returned = hydras_run_job(task, composed, hydra_context=there, **keys)
            return returned, there.callbacks.told

        def ours(task, lines=LINES, number=3):
            made, there = composer.compose_for_job(lines), context()
            returned = run_job(
                made,
                number=number,
                context=there,
                task_function=task,
                started=lambda folder: None,
            )
            return returned, there.callbacks.told

        yield hydras, ours


def seen_by_task(cfg):
    hydra = HydraConfig.get()
    logging.getLogger("task").info("hello")
    return {
        "config": OmegaConf.to_yaml(cfg),
        "lr": cfg.optimizer.lr,
        "output": hydra.runtime.output_dir,
        "number": (hydra.job.num, hydra.job.id),
        "overrides": list(hydra.overrides.task),
        "refers": OmegaConf.select(HydraConfig.instance().cfg, "hydra.sweep.dir"),
        "environment": os.environ.get("SEEN"),
        "struct": OmegaConf.is_struct(cfg),
        "read only": OmegaConf.is_readonly(hydra),
        "folder": os.getcwd(),
    }


def files(folder):
    texts = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    log = texts.pop("train.log")
    return texts, log.rpartition(b"][")[2]


def test_a_job_sees_and_leaves_what_hydras_does(jobs, tmp_path):
    hydras, ours = jobs
    folder = tmp_path / "sweep" / "trials" / "3"
    wanted, told = hydras(seen_by_task)
    left = files(folder)
    folder.rename(tmp_path / "before")
    for _ in range(2):
        got, heard = ours(seen_by_task)
        assert got.return_value == wanted.return_value
        assert heard == told
        assert files(folder) == left
        assert (got.overrides, got.working_dir, got.task_name) == (
            wanted.overrides,
            wanted.working_dir,
            wanted.task_name,
        )
        assert OmegaConf.structural_equality(got.cfg, wanted.cfg)
        assert OmegaConf.to_yaml(got.hydra_cfg) == OmegaConf.to_yaml(wanted.hydra_cfg)
        for node in folder.rglob("*"):
            node.unlink() if node.is_file() else None


def test_what_a_task_raises_is_returned(jobs):
    def task(cfg):
        raise ValueError("told to") from KeyError("why")

    for run in jobs:
        returned, told = run(task)
        assert returned.status == JobStatus.FAILED
        assert told[-1] == ("end", JobStatus.FAILED)
        with pytest.raises(ValueError, match="told to"):
            _ = returned.return_value


def test_callbacks_hear_of_a_task_that_leaves(jobs):
    def task(cfg):
        raise SystemExit(3)

    before = HydraConfig.instance().cfg
    for run in jobs:
        with pytest.raises(SystemExit):
            run(task)
        assert HydraConfig.instance().cfg is before


def test_a_packed_return_is_the_same_when_it_is_looked_at(jobs):
    _, ours = jobs
    returned, _ = ours(lambda cfg: cfg.optimizer.lr)
    packed = PackedReturn.of(returned)
    assert packed.return_value == 0.1
    assert OmegaConf.structural_equality(packed.cfg, returned.cfg)
    assert packed.hydra_cfg.hydra.job.num == 3
    assert packed.overrides == returned.overrides
