"""What a study prints when it has ended: how many trials, which was best, why it failed."""

import os
import shlex
from collections.abc import Sequence

from lightune.paths import shown_path
from lightune.study.context import StudyContext
from lightune.study.observer import Ending
from lightune.study.outcome.outcome import is_final
from lightune.study.outputs.display import describe
from lightune.study.outputs.hparams import has_board
from lightune.study.storage.records import TrialRecord
from lightune.study.storage.trial_store import TrialStore
from lightune.wording import counted

__all__ = ["how_to_go_on", "print_ending", "print_finished"]


def print_finished(study: StudyContext, store: TrialStore) -> None:
    """Print that nothing is left to do, and how to extend the study."""
    trials, vocabulary = store.records(), study.settings.vocabulary
    more = f"give a larger {vocabulary.key('n_trials')} on the command line to extend it, or"
    how = more if not _is_whole_grid(study, store) else "its grid is complete;"
    failed = sum(trial.state == "failed" for trial in trials)
    failures = f", {failed} of them failed" if failed else ""
    count = counted(max(len(trials), store.n_trials), "trial")
    count = f"{len(trials)} of {count}" if len(trials) <= store.n_trials else count
    another = f"start another with {vocabulary.study}={vocabulary.name}"
    study.print_line(f"study {study.folder.name} is finished ({count}{failures}): {how} {another}")
    _print_missing(study, store)
    _print_best(study, store.best())
    _print_board(study)


def _print_board(study: StudyContext) -> None:
    """Print what shows the curves of this study alone."""
    if has_board(study.config):
        study.print_line(f"curves: tensorboard --logdir {shlex.quote(shown_path(study.folder))}")


def _is_whole_grid(study: StudyContext, store: TrialStore) -> bool:
    size = study.space.size()
    return size is not None and store.n_trials >= size and (study.settings.sampler is None or store.is_grid)


def _print_missing(study: StudyContext, store: TrialStore) -> None:
    """Print why a grid has fewer trials than were asked for."""
    if not store.n_missing:
        return
    vocabulary = study.settings.vocabulary
    asked = f"{vocabulary.key('n_trials')}={store.n_trials + store.n_missing} asks for more"
    if study.space.dimensions:
        points = "one point" if store.n_trials == 1 else f"{store.n_trials} points, each of them tried once"
        study.print_line(f"{asked}: the grid has {points}; sweep an interval, or choose {vocabulary.tpe}")
    else:
        where = f"in {vocabulary.key('space')}, or after -m"
        study.print_line(f"{asked}: nothing is swept, so there is one trial; name what is searched {where}")


def _print_best(study: StudyContext, best: Sequence[TrialRecord]) -> None:
    title = "best:" if len(best) < 2 else f"Pareto front of {len(best)} trials:"
    for trial in best:
        gone = "" if trial.folder is not None and (study.folder / trial.folder).is_dir() else " (deleted)"
        place = f"{os.path.relpath(study.folder)}/{trial.folder}{gone}"
        study.print_line(f"{title} {describe(trial, study.settings.objectives)}  {place}")
        title = "     "


def how_to_go_on(study: StudyContext, reason: str) -> str:
    """Return the line that says of a study that it cannot be written, and what to do.

    Args:
        study: the study.
        reason: as the system gives it.
    """
    return f"{study.folder} cannot be written: {reason}; once it can, the same command goes on from here"


def print_ending(study: StudyContext, ending: Ending, store: TrialStore) -> None:
    """Print how a study ended in this process."""
    vocabulary = study.settings.vocabulary
    ended = [trial for trial in ending.trials if is_final(trial.state)]
    pruned = sum(trial.state == "pruned" for trial in ended)
    failed = len(ending.failures)
    counts = f"{len(ended)} of {counted(store.n_trials, 'trial')} finished, {pruned} pruned, {failed} failed"
    study.print_line(f"study {study.folder.name}: {counts}")
    _print_missing(study, store)
    _print_best(study, ending.best)
    _print_board(study)
    if ending.signal is not None:
        study.print_line("stopped; the same command goes on from here")
    elif ending.unwritable:
        study.print_line(how_to_go_on(study, ending.unwritable))
    elif ending.timed_out:
        study.print_line(f"{vocabulary.key('timeout')} is over; the same command goes on from here")
    if ending.failures and ending.exit_code == 1 and not ending.unwritable:
        why = f"no trial has a result ({failed} failed)"
        if ending.too_many_failures:
            limit = f"{vocabulary.key('max_failures')}={study.settings.max_failures}"
            why = f"{counted(failed, 'trial')} failed, more than {limit} allows"
        last = ending.failures[-1]
        study.print_line(f"failed: {why}; the last was trial {last.number}: {last.error}")
