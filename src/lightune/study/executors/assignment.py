"""Which process gets which trials, where each trains several together: similar ones go together, none stays idle.

What may train together is found out by the process that does it; here a look at the overrides is enough. This
module must not import Optuna, torch or Lightning.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from lightune.study.executors.executor import Job
from lightune.training.fused.compatibility import may_differ

__all__ = ["assign", "kind"]


def kind(job: Job) -> Hashable:
    """Return what trials have in common that may train together; nothing else has it if one is to be alone."""
    return job.trial.number if job.alone else tuple(text for text in job.overrides if not _is_free(text))


def _is_free(override: str) -> bool:
    return may_differ(override.partition("=")[0].lstrip("+~").partition("@")[0])


def assign(jobs: Sequence[Job], processes: Sequence[Sequence[Job]], *, most: int) -> list[list[Job]]:
    """Divide trials among processes.

    A process gets about its share of all trials. Trials of a kind go where others of it are, and none is separated
    from the last of its kind, unless a process would be idle then.

    Args:
        jobs: those to assign; some are left where there is no room for all.
        processes: the trials that each has already.
        most: trials of a process, > 0.

    Returns:
        What each process gets.
    """
    given: list[list[Job]] = [[] for _ in processes]
    has = [Counter(kind(job) for job in jobs_there) for jobs_there in processes]
    share = math.ceil((len(jobs) + sum(map(len, processes))) / max(1, len(processes)))
    rest = len(jobs)
    for like, group in _by_kind(jobs):
        rest -= len(group)
        while able := [index for index, held in enumerate(has) if held.total() < most]:
            if not group:
                break
            least = min(has[index].total() for index in able)
            kin = [index for index in able if has[index][like] and has[index].total() <= 2 * least]
            chosen = min(kin or able, key=lambda index: has[index].total())
            load = has[chosen].total()
            idle = sum(not held for each, held in enumerate(has) if each != chosen)
            number = max(share - load, 1 if kin else 2)
            number += number == len(group) - 1
            number = max(1, min(number, len(group) - max(0, idle - rest), most - load))
            given[chosen] += group[:number]
            has[chosen][like] += len(group[:number])
            del group[:number]
    return given


def _by_kind(jobs: Sequence[Job]) -> Iterator[tuple[Hashable, list[Job]]]:
    """Yield the kinds of some trials, the most frequent first."""
    kinds: dict[Hashable, list[Job]] = {}
    for job in jobs:
        kinds.setdefault(kind(job), []).append(job)
    yield from sorted(kinds.items(), key=lambda item: -len(item[1]))
