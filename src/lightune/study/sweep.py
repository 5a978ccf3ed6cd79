"""From what Hydra hands a sweeper to a study that runs: folder, snapshot, space, storage, pool, driver, files."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cloudpickle
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import MissingConfigException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from rich.console import Console

from lightune.config.secrets import redact, secret_values
from lightune.errors import ConfigError, Problem, StudyFailedError
from lightune.study.board import write_experiment
from lightune.study.book import Book, Row
from lightune.study.carried import URL_VARIABLE, CarriedTask
from lightune.study.cluster import reach
from lightune.study.composer import Composer
from lightune.study.display import Display, describe
from lightune.study.driver import Driver, Ending
from lightune.study.files import write_best, write_table, write_text
from lightune.study.identity import identity_of, overrides_of
from lightune.study.lease import Lease, locked
from lightune.study.outcome import RESULTS
from lightune.study.pools import Blocking, Job, Pool
from lightune.study.sampling import is_grid, learns, require_able
from lightune.study.settings import Settings
from lightune.study.slots import make_slots
from lightune.study.snapshot import FOLDER, changed_files, compose_again, snapshot_loader, take_snapshot
from lightune.study.space import Space, read_space
from lightune.study.spec import FILE_NAME, Spec, agree, read_spec, write_spec
from lightune.study.storage import JOURNAL, StorageError, open_storage, redacted

__all__ = ["sweep"]

_BATCH = 64  # trials of a fused launcher's batch
_BATCH_THAT_TEACHES = 16  # the same where a sampler learns from one batch for the next


@dataclass(frozen=True)
class _Scene:
    """A study that is ready to run."""

    folder: Path
    context: HydraContext
    config: DictConfig
    settings: Settings
    space: Space
    url: str | None
    console: Console
    spec: Spec
    goes_on: bool


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
    with _refusing_what_cannot_be_written():
        scene = _prepare(config, hydra_context, list(arguments), console)
        lease = Lease(scene.folder)
    try:
        with contextlib.ExitStack() as stack:
            book = Book(
                open_storage(scene.url, scene.folder),
                folder=scene.folder,
                space=scene.space,
                settings=scene.settings,
                lease=lease,
                name=scene.spec.name,
                identity=scene.spec.identity,
            )
            before = book.rows()
            if scene.goes_on and not before:
                _require_no_results(scene)
            over = sum(row.state not in ("running", "interrupted") for row in before)
            if over >= book.n_trials:
                _say_finished(scene, book)
                return _conclude(Ending(rows=before, best=book.best()), scene.settings)
            pool = _open_pool(scene, task_function, lease, book)
            stack.callback(pool.close)
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
            ending = Driver(book, pool, display, write_files=_Writer(scene)).run()
    except ConfigError:
        if not scene.goes_on:
            _take_back(scene.folder)
        raise
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # nothing runs yet, or no longer
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}"
        raise StorageError(f"{scene.folder} {rule}; make room there, the same command goes on") from error
    finally:
        lease.end()
    _say_ending(scene, ending, book)
    return _conclude(ending, scene.settings)


def _prepare(config: DictConfig, context: HydraContext, arguments: list[str], console: Console) -> _Scene:
    """Check what is asked for, then make or find the study's folder."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    identity = identity_of(config)
    settings = Settings.from_config(config)
    space = _space_of(config, context.config_loader, arguments, settings)
    require_able(settings, space)
    if (spec := read_spec(folder)) is not None:
        agree(spec.name, spec.identity, identity)
    else:
        reach(config)
        if settings.storage is not None:
            open_storage(settings.storage, folder)  # while nothing is written
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".study.lock"):
        spec = read_spec(folder)
        if spec is not None:
            agree(spec.name, spec.identity, identity)
            if changed := changed_files(context.config_loader, folder):
                names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
                console.print(
                    f"configuration files were edited since the study began ({names}); "
                    "it goes on with those that it began with",
                    soft_wrap=True,
                    highlight=False,
                )
        else:
            shutil.rmtree(folder / FOLDER, ignore_errors=True)  # of a start that came to nothing
        take_snapshot(context.config_loader, folder)
        loader = snapshot_loader(context.config_loader, folder)
        config = compose_again(loader, config, folder, context.config_loader)
        settings = Settings.from_config(config)
        url = settings.storage
        _conceal(config, url)
        order = spec.overrides if spec is not None else arguments
        space = _space_of(config, loader, order, settings)
        loader.load_sweep_config(config, space.overrides(_first_point(space)))
        if is_grid(settings, space) and settings.objectives[0].metric is None:
            settings = replace(settings, objectives=(replace(settings.objectives[0], required=False),))
        if spec is None:
            write_text(folder / "multirun.yaml", redact(OmegaConf.to_yaml(config), secret_values(config)))
            storage = redacted(url) if url else "journal"
            new = Spec.of(folder.name, identity, overrides=[redacted(line) for line in arguments], space=space,
                          settings=settings, storage=storage, config=FOLDER)  # fmt: skip
            write_spec(folder, new)
            write_experiment(folder, config, space, settings.objectives)
    HydraConfig.instance().set_config(config)
    context = HydraContext(
        config_loader=loader, callbacks=context.callbacks, execution_whitelist=context.execution_whitelist
    )
    goes_on, spec = spec is not None, spec or new
    return _Scene(folder, context, config, settings, space, url, console, spec, goes_on)


def _take_back(folder: Path) -> None:
    """Remove what a study that is refused after all has written."""
    for name in (FOLDER, "_sweep"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (FILE_NAME, "multirun.yaml"):
        (folder / name).unlink(missing_ok=True)


def _require_no_results(scene: _Scene) -> None:
    """Refuse a study whose record of trials is gone, or another than before: it would run them all again."""
    results = sum(1 for pattern in RESULTS for _ in scene.folder.glob(pattern))
    if results:
        where = redacted(scene.url) if scene.url else JOURNAL
        rule = f"{where} knows of no trial, and the study's folder holds the results of {results}"
        advice = "go on with the storage that it began with, or take another search.study="
        raise ConfigError([Problem("search.storage", f"{rule}; {advice}")])


def _first_point(space: Space) -> dict[str, str]:
    point: dict[str, str] = {}
    for dimension in space.dimensions:
        if space.is_active(dimension, point):
            point[dimension.key] = dimension.edges()[0]
    return point


def _space_of(config: DictConfig, loader: ConfigLoader, arguments: list[str], settings: Settings) -> Space:
    def fixed(key: str) -> Any:
        choices = config.hydra.runtime.choices
        return choices[key] if key in choices else OmegaConf.select(config, key)

    return read_space(arguments, params=settings.space, loader=loader, fixed=fixed, seed=settings.seed)


def _conceal(config: DictConfig, url: str | None) -> None:
    """Keep the storage's password out of the files of the study and of its trials."""
    if url is None or redacted(url) == url:
        return
    with read_write(config), open_dict(config):
        kinds: tuple[Literal["hydra", "task"], ...] = ("hydra", "task")
        for kind in kinds:
            config.hydra.overrides[kind] = [redacted(line) for line in overrides_of(config, kind)]
        for key in ("search.storage", "hydra.sweeper.storage"):
            if OmegaConf.select(config, key) is not None and not _refers(config, key):
                OmegaConf.update(config, key, redacted(url))


def _refers(config: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    return OmegaConf.is_interpolation(OmegaConf.select(config, parent), name)


def _open_pool(scene: _Scene, task_function: TaskFunction, lease: Lease, book: Book) -> Pool:
    from lightune.study.inprocess import InProcess
    from lightune.study.worker import Inheritance
    from lightune.study.workers import Workers

    launcher: Launcher = Plugins.instance().instantiate_launcher(
        config=scene.config, hydra_context=scene.context, task_function=task_function
    )
    pool: Pool
    opener: Any = getattr(launcher, "open", None)
    remote: Any = getattr(launcher, "open_remote", None)
    if opener is not None or remote is not None:
        left = book.n_trials - sum(row.state not in ("running", "interrupted") for row in book.rows())
        inheritance = Inheritance(
            hydra_context=scene.context,
            task_function=task_function,
            config=scene.config,
            objectives=scene.settings.objectives,
        )
        if remote is not None:
            pool = remote(
                settings=scene.settings,
                config=scene.config,
                most=max(left, 1),
                inheritance=cloudpickle.dumps(inheritance),
                owner=lease.name,
                study=scene.folder,
            )
        else:
            slots = make_slots(scene.settings, scene.config)
            pool = opener(Workers, slots[: max(left, 1)], cloudpickle.dumps(inheritance), lease.name)
        return pool
    together: Any = getattr(launcher, "open_together", None)
    if together is not None or isinstance(launcher, BasicLauncher):
        in_process = InProcess(
            scene.config,
            context=scene.context,
            task_function=task_function,
            note=book.note_folder,
            report=book.report,
        )
        if together is None:
            return in_process
        pool = together(
            config=scene.config,
            context=scene.context,
            task_function=task_function,
            alone=in_process,
            size=_batch_size(scene, launcher),
            report=book.report,
            reported=book.reported,
        )
        return pool
    if scene.url is not None:
        os.environ[URL_VARIABLE] = scene.url
    task = CarriedTask(task_function, study=scene.folder, settings=scene.settings, owner=lease.name)
    launcher.setup(hydra_context=scene.context, task_function=task, config=scene.config)
    size = scene.settings.max_batch_size or scene.settings.n_jobs or 1
    return Blocking(launcher, size=size, folder_of=_folders_of(scene), trials=task.trials)


def _batch_size(scene: _Scene, launcher: Any) -> int:
    """Return how many trials a batch has at most: fewer where the next points learn from their results."""
    settings = scene.settings
    asked = settings.max_batch_size or settings.n_jobs or launcher.fused_width
    return asked or (_BATCH_THAT_TEACHES if learns(settings, scene.space) else _BATCH)


def _folders_of(scene: _Scene) -> Callable[[Job], Path]:
    """Return what tells where a trial will write, without running it."""
    composer = Composer(scene.context.config_loader, scene.config)

    def folder_of(job: Job) -> Path:
        composed = composer.compose(job.overrides)
        with open_dict(composed):
            composed.hydra.job.num = job.trial.number
            composed.hydra.job.id = str(job.trial.number)
        with _hydra_config(composed):
            return scene.folder / str(OmegaConf.select(composed, "hydra.sweep.subdir"))

    return folder_of


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


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


@dataclass
class _Writer:
    """Write the files of a study as it goes."""

    scene: _Scene
    written: int | None = None

    def __post_init__(self) -> None:
        self._composer = Composer(self.scene.context.config_loader, self.scene.config)

    def __call__(self, rows: Sequence[Row], best: Sequence[Row]) -> None:
        scene = self.scene
        keys = [entry.key for entry in scene.space.entries if not isinstance(entry, str)]
        write_table(scene.folder, rows, keys, scene.settings.objectives)
        if best and best[0].number != self.written:
            write_best(scene.folder, best, self._composer.compose(scene.space.overrides(best[0].point)))
            self.written = best[0].number


def _say_finished(scene: _Scene, book: Book) -> None:
    rows, best = book.rows(), book.best()
    _Writer(scene)(rows, best)
    say = scene.console.print
    more = "give a larger search.n_trials on the command line to extend it, or"
    how = more if not _is_whole_grid(scene, book) else "its grid is complete;"
    failed = sum(row.state == "failed" for row in rows)
    failures = f", {failed} of them failed" if failed else ""
    count = f"{len(rows)} of {book.n_trials} trials" if len(rows) <= book.n_trials else f"{len(rows)} trials"
    say(
        f"study {scene.folder.name} is finished ({count}{failures}): {how} start another with search.study=NAME",
        soft_wrap=True,
        highlight=False,
    )
    _say_best(scene, best)


def _is_whole_grid(scene: _Scene, book: Book) -> bool:
    size = scene.space.size()
    return size is not None and book.n_trials >= size and (scene.settings.sampler is None or book.is_grid)


def _say_best(scene: _Scene, best: Sequence[Row]) -> None:
    title = "best:" if len(best) < 2 else f"Pareto front of {len(best)} trials:"
    for row in best:
        line = f"{title} {describe(row, scene.settings.objectives)}  {os.path.relpath(scene.folder)}/{row.folder}"
        scene.console.print(line, soft_wrap=True, highlight=False, markup=False)
        title = "     "


def _say_ending(scene: _Scene, ending: Ending, book: Book) -> None:
    def say(line: str) -> None:
        scene.console.print(line, soft_wrap=True, highlight=False, markup=False)

    over = [row for row in ending.rows if row.state not in ("running", "interrupted")]
    pruned = sum(row.state == "pruned" for row in over)
    failed = len(ending.failures)
    counts = f"{len(over)} of {book.n_trials} trials finished, {pruned} pruned, {failed} failed"
    say(f"study {scene.folder.name}: {counts}")
    _say_best(scene, ending.best)
    if ending.signal is not None:
        say("stopped; the same command goes on from here")
    elif ending.timed_out:
        say("search.timeout is over; the same command goes on from here")
    if ending.failures and ending.exit_code == 1:
        why = f"no trial has a result ({failed} failed)"
        if ending.too_many_failures:
            why = f"{failed} trials failed, more than search.max_failures={scene.settings.max_failures} allows"
        last = ending.failures[-1]
        say(f"failed: {why}; the last was trial {last.number}: {last.error}")


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
