"""Which process gets which trials, where each trains several together: like goes to like, and none stays idle.

What may train together is found out by the process that does it; here a look at the overrides is enough. This
module must not import Optuna, torch or Lightning.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from lightune.study.executors.executor import Job
from lightune.training.fused.compatibility import may_differ

__all__ = ["deal", "kind"]


def kind(job: Job) -> Hashable:
    """Return what trials have in common that may train together; nothing else has it if one is to be alone."""
    return job.trial.number if job.alone else tuple(text for text in job.overrides if not _is_free(text))


def _is_free(override: str) -> bool:
    return may_differ(override.partition("=")[0].lstrip("+~").partition("@")[0])


def deal(jobs: Sequence[Job], places: Sequence[Sequence[Job]], *, most: int) -> list[list[Job]]:
    """Divide trials among places.

    A place gets about its share of all trials. Trials of a kind go where others of it are, and none is parted from
    the last of its kind, unless a place had nothing to do then.

    Args:
        jobs: those to give out; some are left where there is no room for all.
        places: the trials that each has already.
        most: trials of a place, > 0.

    Returns:
        What each place gets.
    """
    given: list[list[Job]] = [[] for _ in places]
    has = [Counter(kind(job) for job in place) for place in places]
    share = math.ceil((len(jobs) + sum(map(len, places))) / max(1, len(places)))
    rest = len(jobs)
    for like, group in _by_kind(jobs):
        rest -= len(group)
        while able := [place for place, held in enumerate(has) if held.total() < most]:
            if not group:
                break
            least = min(has[place].total() for place in able)
            kin = [place for place in able if has[place][like] and has[place].total() <= 2 * least]
            place = min(kin or able, key=lambda place: has[place].total())
            load = has[place].total()
            idle = sum(not held for each, held in enumerate(has) if each != place)
            number = max(share - load, 1 if kin else 2)
            number += number == len(group) - 1
            number = max(1, min(number, len(group) - max(0, idle - rest), most - load))
            given[place] += group[:number]
            has[place][like] += len(group[:number])
            del group[:number]
    return given


def _by_kind(jobs: Sequence[Job]) -> Iterator[tuple[Hashable, list[Job]]]:
    """Yield the kinds of some trials, the most frequent first."""
    kinds: dict[Hashable, list[Job]] = {}
    for job in jobs:
        kinds.setdefault(kind(job), []).append(job)
    yield from sorted(kinds.items(), key=lambda item: -len(item[1]))
