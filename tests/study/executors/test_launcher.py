import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.study.executors.executor import Done
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.outcome.outcome import Outcome


class Immediate:
    """An executor whose jobs are over at once; a job returns its overrides."""

    def __init__(self):
        self.jobs = []

    def free(self):
        return 1

    def submit(self, job):
        self.jobs.append(job)

    def wait(self, seconds):
        jobs, self.jobs = self.jobs, []
        return [Done(job.trial.number, Outcome("completed"), self._returned(job)) for job in jobs]

    @staticmethod
    def _returned(job):
        returned = JobReturn()
        returned.return_value, returned.status = (job.trial.number, job.overrides), JobStatus.COMPLETED
        return returned

    def interrupt(self):
        pass

    def close(self):
        pass


class Immediately(ExecutorLauncher):
    contexts: list

    def make_executor(self, context):
        self.contexts.append(context)
        return Immediate()


@pytest.fixture
def launcher():
    made = Immediately()
    made.contexts = []
    made.setup(hydra_context="context", task_function="task", config="config")
    return made


def test_any_sweeper_can_launch_a_batch(launcher):
    returns = launcher.launch([["x=1"], ["x=2"]], 3)
    assert [each.return_value for each in returns] == [(3, ("x=1",)), (4, ("x=2",))]


def test_the_executor_of_a_batch_is_made_for_what_hydra_handed_over(launcher):
    launcher.launch([["x=1"], ["x=2"]], 0)
    (context,) = launcher.contexts
    assert (context.config, context.hydra_context, context.task_function) == ("config", "context", "task")
    assert (context.n_left, context.study) == (2, None)


def test_a_launcher_must_make_an_executor():
    with pytest.raises(TypeError, match="make_executor"):
        ExecutorLauncher()
