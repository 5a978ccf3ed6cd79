"""What a study says when it is over: how many trials, which was best, why it failed."""

import os
from collections.abc import Sequence

from lightune.study.driver import Ending
from lightune.study.outcome.outcome import is_final
from lightune.study.outputs.display import describe
from lightune.study.prepare import Scene
from lightune.study.storage.trial_store import Book, Row

__all__ = ["say_ending", "say_finished"]


def say_finished(scene: Scene, book: Book) -> None:
    """Say that there is nothing left to do, and how to go on."""
    rows = book.rows()
    more = "give a larger search.n_trials on the command line to extend it, or"
    how = more if not _is_whole_grid(scene, book) else "its grid is complete;"
    failed = sum(row.state == "failed" for row in rows)
    failures = f", {failed} of them failed" if failed else ""
    count = f"{len(rows)} of {book.n_trials} trials" if len(rows) <= book.n_trials else f"{len(rows)} trials"
    another = "start another with search.study=NAME"
    scene.say(f"study {scene.folder.name} is finished ({count}{failures}): {how} {another}")
    _say_best(scene, book.best())


def _is_whole_grid(scene: Scene, book: Book) -> bool:
    size = scene.space.size()
    return size is not None and book.n_trials >= size and (scene.settings.sampler is None or book.is_grid)


def _say_best(scene: Scene, best: Sequence[Row]) -> None:
    title = "best:" if len(best) < 2 else f"Pareto front of {len(best)} trials:"
    for row in best:
        gone = "" if row.folder is not None and (scene.folder / row.folder).is_dir() else " (deleted)"
        place = f"{os.path.relpath(scene.folder)}/{row.folder}{gone}"
        scene.say(f"{title} {describe(row, scene.settings.objectives)}  {place}")
        title = "     "


def say_ending(scene: Scene, ending: Ending, book: Book) -> None:
    """Say how a study ended here."""
    over = [row for row in ending.rows if is_final(row.state)]
    pruned = sum(row.state == "pruned" for row in over)
    failed = len(ending.failures)
    counts = f"{len(over)} of {book.n_trials} trials finished, {pruned} pruned, {failed} failed"
    scene.say(f"study {scene.folder.name}: {counts}")
    _say_best(scene, ending.best)
    if ending.signal is not None:
        scene.say("stopped; the same command goes on from here")
    elif ending.timed_out:
        scene.say("search.timeout is over; the same command goes on from here")
    if ending.failures and ending.exit_code == 1:
        why = f"no trial has a result ({failed} failed)"
        if ending.too_many_failures:
            why = f"{failed} trials failed, more than search.max_failures={scene.settings.max_failures} allows"
        last = ending.failures[-1]
        scene.say(f"failed: {why}; the last was trial {last.number}: {last.error}")
