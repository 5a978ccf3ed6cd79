"""A batch of jobs by an executor, for sweepers that wait until all of it is over."""

from collections.abc import Callable, Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.runtime.plain_text import say
from lightune.study.definition.settings import Settings
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Done, Executor, Job, Message, Report
from lightune.study.signals import stop_signals
from lightune.trial import Trial

__all__ = ["batch_context", "jobs_of", "run_batch"]

_WAIT_SECONDS = 60.0


def batch_context(
    size: int, *, config: DictConfig, hydra_context: HydraContext, task_function: TaskFunction
) -> ExecutorContext:
    """Return what the executor of a batch is made for.

    Args:
        size: jobs of the batch, > 0.
        config: of the multirun.
        hydra_context: as Hydra hands it to a launcher.
        task_function: what a job runs.
    """
    return ExecutorContext(
        config=config,
        hydra_context=hydra_context,
        task_function=task_function,
        settings=Settings(()),
        n_left=size,
    )


def jobs_of(job_overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """Return the jobs of a batch.

    Args:
        job_overrides: of each job.
        first: number of the first job.
    """
    return [Job(Trial(first + index), tuple(overrides)) for index, overrides in enumerate(job_overrides)]


def run_batch(jobs: Sequence[Job], make_executor: Callable[[], Executor]) -> list[JobReturn]:
    """Run jobs, as many at a time as the executor has room for.

    Args:
        jobs: in the order of their numbers.
        make_executor: called once, when signals are heard.

    Raises:
        KeyboardInterrupt: after SIGINT; what runs has been asked to save and stop.
        SystemExit: after SIGTERM, with the exit code that a shell expects.
    """
    waiting, returns = list(jobs), dict[int, JobReturn]()
    with stop_signals() as stop:
        executor = make_executor()
        try:
            with stop.calling(executor.interrupt):
                while len(returns) < len(jobs) and (
                    stop.number is None or len(returns) + len(waiting) < len(jobs)
                ):
                    while waiting and stop.number is None and executor.free():
                        executor.submit(waiting.pop(0))
                    for event in executor.wait(_WAIT_SECONDS):
                        if isinstance(event, Done):
                            returns[event.number] = event.returned or _lost(event)
                        elif isinstance(event, Report):
                            event.answer(False)
                        elif isinstance(event, Message):
                            say(event.text)
        finally:
            executor.close()
    if stop.number is not None:
        raise KeyboardInterrupt if stop.number == 2 else SystemExit(128 + stop.number)
    return [returns[job.trial.number] for job in jobs]


def _lost(done: Done) -> JobReturn:
    returned = JobReturn()
    reason = done.outcome.error or "it ended without a word"
    returned.return_value = RuntimeError(f"job {done.number}: {reason}")
    returned.status = JobStatus.FAILED
    return returned
