"""A study from its beginning to its end: prepared, opened, run, summed up."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from hydra.core.utils import JobReturn
from hydra.errors import MissingConfigException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lightune.config.own_code import changed_code
from lightune.errors import ConfigError, Problem, StorageError, StudyFailedError
from lightune.runtime.terminal import Terminal
from lightune.study.context import StudyContext
from lightune.study.definition.definition import Definition
from lightune.study.definition.settings import Settings
from lightune.study.definition.snapshot import shortened
from lightune.study.definition.spec import note_total
from lightune.study.driver import Driver
from lightune.study.executors.factory import make_executor, place_of
from lightune.study.observer import Ending, Observer, Report
from lightune.study.outcome.outcome import RESULTS, is_final
from lightune.study.outputs.checkpoints import KeptCheckpoints
from lightune.study.outputs.data_questions import DataQuestions
from lightune.study.outputs.display import Display
from lightune.study.outputs.summary import how_to_go_on, print_ending, print_finished
from lightune.study.outputs.writer import StudyFiles
from lightune.study.prepare import code_of, prepare, undo
from lightune.study.signals import StopSignal, stop_signals
from lightune.study.storage.backends import no_new_database
from lightune.study.storage.credentials import hidden
from lightune.study.storage.journal import JOURNAL
from lightune.study.storage.locks import study_lock
from lightune.study.storage.trial_store import TrialStore
from lightune.wording import counted

__all__ = ["sweep"]


def sweep(
    config: DictConfig,
    *,
    hydra_context: HydraContext,
    task_function: TaskFunction,
    arguments: Sequence[str],
    definition: Definition | None = None,
    report: Callable[[StudyContext, TrialStore], Report] | None = None,
) -> list[Sequence[JobReturn]]:
    """Run a study, or resume it.

    Args:
        config: of the multirun, as Hydra composed it.
        hydra_context: as a sweeper gets it.
        task_function: what a trial runs.
        arguments: the task's overrides, with the sweeps.
        definition: what was read of the study when it was judged, if it was.
        report: makes what watches it and says at its end what its figures say; None for nothing of the kind.

    Returns:
        What Hydra returned for the trials that ran here, in the order of their numbers, in batches.

    Raises:
        ConfigError: if the study cannot run; nothing was started.
        StudyFailedError: if it came to nothing.
        SystemExit: if a signal stopped it, with the exit code that a shell expects.
    """
    console = Terminal()

    def print_line(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

    url = OmegaConf.select(config, "hydra.sweeper.storage", throw_on_resolution_failure=False)
    with stop_signals() as stop, no_new_database(url):
        with _refusing_unwritable_folder():
            study = prepare(config, hydra_context, list(arguments), print_line, definition)
        return _run(study, task_function, stop, console, report if study.settings.report else None)


def _run(
    study: StudyContext,
    task_function: TaskFunction,
    stop: StopSignal,
    console: Console,
    make_report: Callable[[StudyContext, TrialStore], Report] | None,
) -> list[Sequence[JobReturn]]:
    store: TrialStore | None = None
    try:
        store = study.open_store()
        before = store.records()
        if not before:
            _require_its_trials(study)
        with study_lock(study.folder):
            note_total(study.folder, store.n_trials, study.settings.vocabulary)
        if restored := store.restore_results():
            numbers = ", ".join(map(str, restored))
            where = f"result.json was missing or damaged in the folders of trials that are finished ({numbers})"
            study.print_line(f"{where}; what the study's record knows of them was written there")
        ended = sum(is_final(trial.state) for trial in before)
        reports = [make_report(study, store)] if make_report is not None else []
        if ended >= store.n_trials:
            ending = Ending(trials=before, best=store.best())
            for observer in (StudyFiles(study, store), *reports, KeptCheckpoints(store)):
                observer.study_ended(ending)
            print_finished(study, store)
            for report in reports:
                report.conclude()
            return _conclude(ending, study.settings)
        with contextlib.ExitStack() as stack:
            executor = make_executor(study, task_function, store)
            stack.callback(executor.close)
            display = stack.enter_context(Display(console, store, name=study.folder.name, ended=ended))
            if before:
                display.message(
                    f"study {study.folder.name} goes on: {ended} of {counted(store.n_trials, 'trial')} finished"
                )
            try:
                watchers: list[Observer] = [
                    StudyFiles(study, store),
                    display,
                    DataQuestions(study, display.message),
                    *reports,
                    KeptCheckpoints(store),
                ]
                ending = Driver(store, executor, watchers, stop=stop, place_of=place_of(study)).run()
            except ConfigError as refusal:  # a cluster's, whose trials are under way
                study.print_line("; ".join(map(str, refusal.problems)))
                raise StudyFailedError("its trials cannot run any more") from refusal
    except ConfigError:
        undo(study, store)
        raise
    except OSError as error:
        line = how_to_go_on(study, error.strerror or str(error))
        if store is None or not store.has_trials:
            raise StorageError(line) from error
        study.print_line(line)
        raise StudyFailedError("its folder cannot be written") from error
    finally:
        study.lease.end()
    if edited := changed_code(study.code.files, code_of(study.folder, study.settings.vocabulary).files):
        said = f"code was edited while the study ran ({shortened(edited)})"
        study.print_line(f"{said}: provenance.code in result.json tells which trials are of which version")
    print_ending(study, ending, store)
    for report in reports:
        report.conclude()
    return _conclude(ending, study.settings)


def _require_its_trials(study: StudyContext) -> None:
    """Refuse a study whose record of trials is gone, or another than before: it would run them all again."""
    results = sum(1 for pattern in RESULTS for _ in study.folder.glob(pattern))
    if results:
        where = hidden(study.url) if study.url else JOURNAL
        rule = f"{where} knows of no trial, and the study's folder holds the results of {results}"
        vocabulary = study.settings.vocabulary
        advice = f"go on with the storage that it began with, or take another {vocabulary.study}="
        raise ConfigError([Problem(vocabulary.key("storage"), f"{rule}; {advice}")])


@contextlib.contextmanager
def _refusing_unwritable_folder() -> Iterator[None]:
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
        raises = settings.objectives[0].metric is None and ending.unwritable is None
        for returned in returns if raises else []:
            # raises what the task of any application raised, as Hydra's own sweeper does
            _ = returned.return_value
        raise StudyFailedError(f"{len(ending.failures)} of {counted(len(ending.trials), 'trial')} failed")
    size = settings.max_batch_size or max(len(returns), 1)
    return [returns[start : start + size] for start in range(0, len(returns), size)]
