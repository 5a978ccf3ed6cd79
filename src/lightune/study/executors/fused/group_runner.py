"""One group of trials that trains as one program: it is begun, joined by others, trained epoch by epoch."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.errors import one_line
from lightune.reporting.repository import one_look_at_the_code
from lightune.runtime.disk import is_unwritable
from lightune.runtime.quiet import quiet
from lightune.runtime.signals import STOP_SIGNALS
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Event, Job
from lightune.study.executors.fused.candidate import Candidate, CandidateLifecycle
from lightune.study.executors.worker.isolation import as_found
from lightune.training.fused.compatibility import check_supported, structure
from lightune.training.fused.equivalence import is_verified, variants_of
from lightune.training.fused.group import TrialGroup, spans
from lightune.training.fused.planner import Group, build_member

__all__ = ["GroupRunner"]


class GroupRunner:
    """Trains a group; what breaks its program leaves its trials to train one by one.

    Args:
        group: as planned.
        device: `cpu` or `cuda`.
        context: what the trials belong to.
        lifecycle: opens and ends the candidates.
        run_alone: takes a trial whose program is broken, and why.
        on_signal: called with a signal that the program has taken for itself, to save and leave; with None where
            it broke, and may have taken one before.
    """

    def __init__(
        self,
        group: Group,
        *,
        device: str,
        context: ExecutorContext,
        lifecycle: CandidateLifecycle,
        run_alone: Callable[[Job, str], None],
        on_signal: Callable[[int | None], None],
    ) -> None:
        self._group, self._device, self._context, self._lifecycle = group, device, context, lifecycle
        self._run_alone, self._on_signal = run_alone, on_signal
        self._variants = variants_of(group.members)
        self._structure = ""
        self._candidates: list[Candidate] = []
        self._trial_group: TrialGroup | None = None

    @property
    def is_over(self) -> bool:
        """Whether all of its trials have ended, or its program is broken."""
        return not self._candidates

    def begin(self, candidates: Sequence[Candidate]) -> list[Event]:
        """Open the folders of the group's trials and make its program; return the ends of those refused."""
        numbers = spans([candidate.number for candidate in candidates])
        print(f"fused  {len(candidates)} {self._context.noun}s as one program on {self._device}: {numbers}")
        self._structure = structure(_plain(candidates[0].cfg))
        events: list[Event] = []
        places: list[int] = []
        for place, candidate in enumerate(candidates):
            if (refused := self._lifecycle.open(candidate)) is not None:
                events.append(refused)
                continue
            candidate.task = self._group.parts[place].task
            self._candidates.append(candidate)
            places.append(place)
        if places:
            grouped_jobs = [
                self._lifecycle.grouped_job(candidate, self._context.report) for candidate in self._candidates
            ]
            with self._breaking_only_this() as ended, as_found(), quiet(verbose=False):
                self._trial_group = TrialGroup(grouped_jobs, self._group, places, device=self._device)
            events += ended
        return events

    def join(self, waiting: list[Candidate]) -> list[Event]:
        """Give free places to those that wait, if they are of the group's structure.

        Args:
            waiting: those that join are removed.
        """
        events: list[Event] = []
        joined: list[int] = []
        for candidate in list(waiting):
            if self._trial_group is None or not self._trial_group.vacant:
                break
            tree = _plain(candidate.cfg)
            if check_supported(tree) or structure(tree) != self._structure:
                continue
            with as_found(), quiet(verbose=False):
                built = build_member(candidate.cfg, self._group.known)
                if isinstance(built, str) or not self._trial_group.accepts(built[0]):
                    continue
                variants = self._variants | variants_of([built[0]])
                if not is_verified(variants, self._group.known.verified):
                    continue
            self._variants = variants
            waiting.remove(candidate)
            if (refused := self._lifecycle.open(candidate)) is not None:
                events.append(refused)
                continue
            candidate.task = built[1].task
            self._candidates.append(candidate)
            grouped_job = self._lifecycle.grouped_job(candidate, self._context.report)
            with self._breaking_only_this() as ended, as_found(), quiet(verbose=False):
                self._trial_group.add_members(grouped_job, *built)
            joined.append(candidate.number)
            events += ended
        if joined:
            print(f"fused  {len(joined)} more in free places: {spans(joined)}")
        return events

    def round(self) -> list[Event]:
        """Train for an epoch; return the ends of those that have ended with it."""
        began = time.perf_counter()
        with self._breaking_only_this() as ended, as_found(), quiet(verbose=False), one_look_at_the_code():
            if self._trial_group is not None:
                self._trial_group.round()
        share = (time.perf_counter() - began) / max(1, len(self._candidates))
        events: list[Event] = list(ended)
        for candidate in list(self._candidates):
            candidate.seconds += share
            if candidate.grouped_job is not None and candidate.grouped_job.ending is not None:
                self._candidates.remove(candidate)
                events.append(self._lifecycle.end(candidate))
        return events

    def stop(self) -> None:
        """Save all that trains."""
        if self._trial_group is not None:
            self._trial_group.stop()

    @contextmanager
    def _breaking_only_this(self) -> Iterator[list[Event]]:
        """Let what breaks the program break only that: its trials run one by one, or are interrupted with it."""
        events: list[Event] = []
        unwritable = False
        try:
            yield events
            return
        except SystemExit as stop:
            number = stop.code - 128 if isinstance(stop.code, int) else 0
            took = number in STOP_SIGNALS  # also where all have ended with this round
            error = None if took else f"sys.exit({stop.code!r})"
            if took:
                self._on_signal(number)
        except Exception as failure:  # noqa: BLE001 - what breaks the program is found out by each trial alone
            error = one_line(failure)
            unwritable = is_unwritable(failure)
            self._on_signal(None)
        self._trial_group = None
        ended = [
            each
            for each in self._candidates
            if each.grouped_job is not None and each.grouped_job.ending is not None
        ]
        for candidate in self._candidates:
            if candidate in ended:
                continue
            if error is not None and not unwritable:
                again = replace(candidate.job, trial=replace(candidate.job.trial, resume=True))
                self._run_alone(again, f"its program ended with {error}")
            else:
                done = end_of(
                    candidate.job,
                    objectives=self._context.objectives,
                    folder=candidate.folder,
                    seconds=candidate.seconds,
                    error=error,
                    interrupted=not unwritable,
                    unwritable=unwritable,
                )
                events.append(done)
        self._candidates = ended


def _plain(cfg: DictConfig) -> dict[str, Any]:
    tree = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}
