"""A study from its beginning to its end: prepared, opened, run, told."""

import contextlib
from collections.abc import Iterator, Sequence

from hydra.core.utils import JobReturn
from hydra.errors import MissingConfigException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console

from lightune.errors import ConfigError, Problem, StudyFailedError
from lightune.study.definition.settings import Settings
from lightune.study.definition.spec import note_total
from lightune.study.driver import Driver, Ending
from lightune.study.executors.factory import make_executor
from lightune.study.messages import in_words_of, refusal_in_words_of
from lightune.study.outcome.outcome import RESULTS, is_final
from lightune.study.outputs.display import Display
from lightune.study.outputs.summary import say_ending, say_finished
from lightune.study.outputs.writer import StudyFiles
from lightune.study.prepare import Scene, prepare, take_back
from lightune.study.signals import StopSignal, stop_signals
from lightune.study.storage.backends import JOURNAL, StorageError, open_storage
from lightune.study.storage.credentials import hidden
from lightune.study.storage.lease import study_lock
from lightune.study.storage.trial_store import Book

__all__ = ["sweep"]


def sweep(
    config: DictConfig, *, hydra_context: HydraContext, task_function: TaskFunction, arguments: Sequence[str]
) -> list[Sequence[JobReturn]]:
    """Run a study, or go on with it.

    Args:
        config: of the multirun, as Hydra composed it.
        hydra_context: as Hydra hands it to a sweeper.
        task_function: what a trial runs.
        arguments: the task's overrides, with the sweeps.

    Returns:
        What Hydra returned for the trials that ran here, in the order of their numbers, in batches.

    Raises:
        ConfigError: if the study cannot run; nothing was started.
        StudyFailedError: if it came to nothing.
        SystemExit: if a signal stopped it, with the exit code that a shell expects.
    """
    console = Console()

    def say(line: str) -> None:
        console.print(in_words_of(config, line), soft_wrap=True, highlight=False, markup=False)

    try:
        with stop_signals() as stop:
            with _refusing_what_cannot_be_written():
                scene = prepare(config, hydra_context, list(arguments), say)
            return _run(scene, task_function, stop, console)
    except (ConfigError, StorageError) as refusal:
        raise refusal_in_words_of(config, refusal) from refusal


def _run(
    scene: Scene, task_function: TaskFunction, stop: StopSignal, console: Console
) -> list[Sequence[JobReturn]]:
    book: Book | None = None
    try:
        with contextlib.ExitStack() as stack:
            book = Book(
                open_storage(scene.url, scene.folder),
                folder=scene.folder,
                space=scene.space,
                settings=scene.settings,
                lease=scene.lease,
                name=scene.spec.name,
                identity=scene.spec.identity,
            )
            before = book.rows()
            if scene.goes_on and not before:
                _require_no_results(scene)
            with study_lock(scene.folder):
                note_total(scene.folder, book.n_trials)
            over = sum(is_final(row.state) for row in before)
            if over >= book.n_trials:
                ending = Ending(rows=before, best=book.best())
                StudyFiles(scene).update(ending.rows, ending.best)
                say_finished(scene, book)
                return _conclude(ending, scene.settings)
            executor = make_executor(scene, task_function, book)
            stack.callback(executor.close)
            display = Display(
                console,
                name=scene.folder.name,
                n_trials=book.n_trials,
                over=over,
                objectives=scene.settings.objectives,
            )
            stack.enter_context(display)
            if before:
                display.say(f"study {scene.folder.name} goes on: {over} of {book.n_trials} trials are finished")
            driver = Driver(book, executor, display, stop=stop, files=StudyFiles(scene))
            try:
                ending = driver.run()
            except ConfigError as refusal:  # a cluster's, whose trials are under way
                scene.say("; ".join(map(str, refusal.problems)))
                raise StudyFailedError("its trials cannot run any more") from refusal
    except ConfigError:
        take_back(scene, book)
        raise
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}"
        raise StorageError(f"{scene.folder} {rule}; make room there, the same command goes on") from error
    finally:
        scene.lease.end()
    say_ending(scene, ending, book)
    return _conclude(ending, scene.settings)


def _require_no_results(scene: Scene) -> None:
    """Refuse a study whose record of trials is gone, or another than before: it would run them all again."""
    results = sum(1 for pattern in RESULTS for _ in scene.folder.glob(pattern))
    if results:
        where = hidden(scene.url) if scene.url else JOURNAL
        rule = f"{where} knows of no trial, and the study's folder holds the results of {results}"
        advice = "go on with the storage that it began with, or take another search.study="
        raise ConfigError([Problem("search.storage", f"{rule}; {advice}")])


@contextlib.contextmanager
def _refusing_what_cannot_be_written() -> Iterator[None]:
    try:
        yield
    except MissingConfigException:
        raise  # it counts as an OSError
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        rule = f"the study's folder cannot be written: {error.strerror or error}{where}"
        raise ConfigError(
            [Problem("hydra.sweep.dir", f"{rule}; free space there, or take another folder")]
        ) from error


def _conclude(ending: Ending, settings: Settings) -> list[Sequence[JobReturn]]:
    if ending.signal is not None:
        raise SystemExit(ending.exit_code)
    returns = [ending.returns[number] for number in sorted(ending.returns)]
    if ending.exit_code:
        for returned in returns if settings.objectives[0].metric is None else []:
            _ = (
                returned.return_value
            )  # raises what the task of any application raised, as Hydra's own sweeper does
        raise StudyFailedError(f"{len(ending.failures)} of {len(ending.rows)} trials failed")
    size = settings.max_batch_size or max(len(returns), 1)
    return [returns[start : start + size] for start in range(0, len(returns), size)]
