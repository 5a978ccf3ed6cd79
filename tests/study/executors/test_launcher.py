import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hydra_plugins.hydra_lightune import cluster, fused
from hydra_plugins.hydra_lightune import launcher as local
from lightune.study.executors.executor import Done
from lightune.study.executors.launcher import ExecutorLauncher, launcher_of
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


def multirun(target):
    return OmegaConf.create({"hydra": {"launcher": {"_target_": target, "fused_width": 1, "fused": True}}})


@pytest.mark.parametrize(
    ("door", "is_local", "fuses", "refused", "unused"),
    [
        (local.LocalLauncher, True, False, [], ["hydra.launcher.n_jobs"]),
        (fused.FusedLauncher, True, True, ["hydra.launcher.fused_width"], []),
        (cluster.ClusterLauncher, False, True, [], []),
    ],
)
def test_a_launcher_says_of_itself_what_the_command_line_must_know(door, is_local, fuses, refused, unused):
    config = multirun(f"{door.__module__}.{door.__qualname__}")
    assert launcher_of(config) is door
    options = config.hydra.launcher
    assert (door.is_local, door.fuses(options)) == (is_local, fuses)
    assert [problem.key for problem in door.problems(options)] == refused
    assert [key for key, _ in door.without_effect(options)] == unused


def test_a_launcher_that_says_nothing_needs_nothing():
    options = OmegaConf.create()
    said = (Immediately.is_local, Immediately.fuses(options), Immediately.require_reachable(options))
    assert said == (False, False, None)
    assert not [*Immediately.problems(options), *Immediately.without_effect(options)]


@pytest.mark.parametrize(
    "target",
    [
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "nowhere.Launcher",
        "json.dumps",
        "Launcher",
        None,
    ],
)
def test_launchers_of_others_make_no_executor_and_are_not_imported(target):
    assert launcher_of(multirun(target)) is None


def test_a_configuration_without_hydras_node_names_no_launcher():
    assert launcher_of(OmegaConf.create({"x": 1})) is None
