"""Batches of other sweepers that are run again: what is done is not done again, what was cut off goes on."""

import shutil
from pathlib import Path

import pytest
from closeness import close
from curves import curves
from epoch_watch import ON, watching
from fused_members import killed_in_epoch, sweep_arguments
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf
from studies import result_of

from lightune.errors import TrialError
from lightune.paths import conf_dir
from lightune.reporting.result import Failure, Objective, Result, write_result
from lightune.study.executors.executor import Done
from lightune.study.executors.fused.repeated_batch import run_repeated_batch
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.worker.isolation import as_found
from lightune.study.outcome.outcome import Outcome

pytestmark = pytest.mark.long


def test_members_that_have_a_result_are_not_trained_again(sweep, monkeypatch):
    again = ("~hydra.callbacks.lightune", "optimizer.lr=1e-3,1e-2,3e-2", "trainer.max_epochs=2")
    together, _, _ = sweep("fused", *again)
    before = [result_of(together / str(number)) for number in range(3)]
    (together / "1" / "result.json").unlink()
    kept = (together / "0" / "result.json").stat().st_mtime_ns
    _, code, said = sweep("fused", *again)
    assert code == 0
    assert said.count("done   job") == 2
    assert (together / "0" / "result.json").stat().st_mtime_ns == kept
    close(result_of(together / "1")["metrics"], before[1]["metrics"])


@pytest.mark.usefixtures("_watched_epochs")
def test_a_group_that_was_killed_ends_as_if_it_had_been_left_alone(sweep):
    again = ("~hydra.callbacks.lightune", "optimizer.lr=1e-3,1e-2", "callbacks.checkpoint.every_seconds=0", ON)
    killed_in_epoch(2, *sweep_arguments("fused", *again))
    trained = []
    with watching(lambda folder, epoch: trained.append((Path(folder).name, epoch))):
        together, code, _ = sweep("fused", *again)
    assert (code, trained) == (0, [("0", 2), ("1", 2), ("0", 3), ("1", 3)])
    left_alone = [result_of(together / str(number)) for number in range(2)]
    drawn = [curves(together / str(number)) for number in range(2)]
    for number in range(2):
        (together / str(number) / "result.json").unlink()
        shutil.rmtree(together / str(number) / "checkpoints")
        for file in (together / str(number)).glob("events.*"):
            file.unlink()
    sweep("fused", *again)
    for number in range(2):
        close(left_alone[number]["metrics"], result_of(together / str(number))["metrics"])
        close(drawn[number], curves(together / str(number)))
        assert left_alone[number]["epochs"] == 4


class Batch(ExecutorLauncher):
    """A launcher whose executor notes the jobs that it is given; each returns its number, as text."""

    def __init__(self):
        self.ran, self.sizes, self._submitted = {}, [], []

    def make_executor(self, context):
        self.sizes.append(context.n_left)
        return self

    def free(self):
        return 1

    def submit(self, job):
        self.ran[job.trial.number] = job.trial.resume
        self._submitted.append(job.trial.number)

    def wait(self, seconds):
        numbers, self._submitted = self._submitted, []
        return [Done(number, Outcome("completed"), self._returned(number)) for number in numbers]

    @staticmethod
    def _returned(number):
        returned = JobReturn()
        returned.return_value, returned.status = str(number), JobStatus.COMPLETED
        return returned

    def interrupt(self):
        pass

    def close(self):
        pass


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """Run a batch of two learning rates, numbered from 4; return its launcher and what was returned."""
    monkeypatch.chdir(tmp_path)

    def run():
        with as_found(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
            loader = GlobalHydra.instance().config_loader()
            arguments = ["optimizer.lr=0.1,0.2", "hydra.sweep.dir=batch", "hydra.sweep.subdir=${hydra.job.num}"]
            config = loader.load_configuration("train", arguments, run_mode=RunMode.MULTIRUN)
            launcher = Batch()
            context = HydraContext(config_loader=loader, callbacks=None)
            launcher.setup(hydra_context=context, task_function=None, config=config)
            returns = run_repeated_batch(launcher, [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]], 4)
        return launcher, returns

    (tmp_path / "batch").mkdir()
    run.folder = tmp_path / "batch"
    return run


def leave_result(folder, status, error=None):
    folder.mkdir()
    objective = Objective("val/accuracy", "max", 0.75, 1)
    write_result(Result(folder, "run", status, objective, {}, 0, 2, 26, {}, None, None, error))


def test_a_batch_that_is_run_for_the_first_time_runs_all_of_its_jobs(batch):
    launcher, returns = batch()
    assert (launcher.ran, launcher.sizes) == ({4: False, 5: False}, [2])
    assert [each.return_value for each in returns] == ["4", "5"]


@pytest.mark.parametrize("status", ["completed", "early_stopped", "pruned"])
def test_a_job_that_has_a_result_returns_it_and_is_not_run(batch, status, capsys):
    leave_result(batch.folder / "4", status)
    launcher, returns = batch()
    assert (launcher.ran, launcher.sizes) == ({5: False}, [1])
    assert [each.return_value for each in returns] == [0.75, "5"]
    assert returns[0].overrides == ["optimizer.lr=0.1"]
    assert returns[0].cfg.optimizer.lr == 0.1
    assert capsys.readouterr().out == f"done   job 4: {status} before\n"


def test_a_job_that_failed_before_fails_of_the_same(batch):
    leave_result(batch.folder / "5", "failed", Failure("ValueError", "too large", ""))
    launcher, returns = batch()
    assert (launcher.ran, returns[1].status) == ({4: False}, JobStatus.FAILED)
    with pytest.raises(TrialError, match="too large"):
        _ = returns[1].return_value


def test_where_all_jobs_have_results_nothing_is_run(batch):
    for number in "45":
        leave_result(batch.folder / number, "completed")
    launcher, returns = batch()
    assert (launcher.ran, launcher.sizes) == ({}, [])
    assert [each.return_value for each in returns] == [0.75, 0.75]


@pytest.mark.parametrize("text", ["{", '{"status": "interrupted"}'])
def test_a_job_without_a_result_that_says_how_it_ended_is_run(batch, text):
    (batch.folder / "4").mkdir()
    (batch.folder / "4" / "result.json").write_text(text)
    assert batch()[0].ran == {4: False, 5: False}


def test_an_interrupted_job_is_run(batch):
    leave_result(batch.folder / "4", "interrupted")
    assert batch()[0].ran == {4: False, 5: False}


@pytest.mark.parametrize(
    ("step", "changes", "resumes"),
    [
        (2, {"test": True}, True),
        (2, {"test": False}, True),
        (2, {"seed": 7}, False),
        (1, {}, False),
        (0, {}, False),
    ],
    ids=["as written", "as told", "another job's", "within an epoch", "before it saved"],
)
def test_a_job_that_was_cut_off_goes_on_from_its_own_checkpoint(batch, checkpoint_after, step, changes, resumes):
    leave_result(batch.folder / "4", "completed")
    before = batch()[1][0].cfg  # as the job had it
    (batch.folder / "4" / "result.json").unlink()
    (batch.folder / "4" / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.merge(before, changes), batch.folder / "4" / ".hydra" / "config.yaml")
    if step:
        checkpoint_after(batch.folder / "4" / "checkpoints" / "last.ckpt", step=step)
    assert batch()[0].ran == {4: resumes, 5: False}
