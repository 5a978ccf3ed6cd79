"""A batch of jobs in warm processes, for sweepers that wait until all of it is over."""

from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.study.executors.executor import Done, Job, Pool, Report, Said
from lightune.study.executors.worker.main import Inheritance
from lightune.trial import Trial

__all__ = ["run_batch"]


def run_batch(
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    config: DictConfig,
    hydra_context: HydraContext,
    task_function: TaskFunction,
    open_pool: Callable[[int, bytes], Pool],
    serve: Callable[[Any], None] | None = None,
) -> list[JobReturn]:
    """Run jobs, as many at a time as there are slots.

    Args:
        job_overrides: of each job.
        first: number of the first job.
        config: of the multirun.
        hydra_context: as Hydra hands it to a launcher.
        task_function: what a job runs.
        open_pool: takes how many places are of use, and what their processes inherit.
        serve: what these processes do with jobs; one after another by default.
    """
    inheritance = Inheritance(
        hydra_context=hydra_context, task_function=task_function, config=config, objectives=None, serve=serve
    )
    waiting = [Job(Trial(first + index), tuple(overrides)) for index, overrides in enumerate(job_overrides)]
    returns: dict[int, JobReturn] = {}
    workers = open_pool(len(waiting), cloudpickle.dumps(inheritance))
    try:
        while len(returns) < len(job_overrides):
            while waiting and workers.free():
                workers.submit(waiting.pop(0))
            for event in workers.wait(60.0):
                if isinstance(event, Done):
                    returns[event.number] = event.returned or _lost(event)
                elif isinstance(event, Report):
                    event.answer(False)
                elif isinstance(event, Said):
                    print(event.text)
    finally:
        workers.close()
    return [returns[number] for number in sorted(returns)]


def _lost(done: Done) -> JobReturn:
    returned = JobReturn()
    reason = done.error or (done.outcome.error if done.outcome else None) or "it ended without a word"
    returned.return_value = RuntimeError(f"job {done.number}: {reason}")
    returned.status = JobStatus.FAILED
    return returned
