"""From what Hydra hands a sweeper to a study that can run: folder, snapshot, space, settings."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from lightune.runtime.atomic_files import write_whole
from lightune.secrets import redact, secret_values
from lightune.study.definition.config_files import chosen_options
from lightune.study.definition.identity import identity_of
from lightune.study.definition.settings import Settings
from lightune.study.definition.snapshot import FOLDER, changed_files, compose_again, snapshot_loader, take_snapshot
from lightune.study.definition.spec import FILE_NAME, Spec, agree, read_spec, write_spec
from lightune.study.executors.ray.connection import reach
from lightune.study.outputs.hparams import write_experiment
from lightune.study.space.space import Space, read_space
from lightune.study.storage.backends import JOURNAL, lock_of, open_storage
from lightune.study.storage.credentials import conceal, hidden, hider
from lightune.study.storage.lease import FOLDER as LEASES
from lightune.study.storage.lease import LOCK, Lease, study_lock
from lightune.study.storage.samplers import is_grid, require_able
from lightune.study.storage.trial_store import Book

__all__ = ["Scene", "prepare", "take_back"]


@dataclass(frozen=True)
class Scene:
    """A study that is ready to run.

    Args:
        folder: the study's.
        context: of Hydra, with a loader that reads the study's own configuration files.
        config: of the multirun, composed from those.
        settings: how it searches.
        space: what its trials may be.
        url: of its storage, with the password; None for the journal.
        spec: what `study.json` says.
        goes_on: whether it began earlier.
        lease: our sign of life.
        say: prints a line.
    """

    folder: Path
    context: HydraContext
    config: DictConfig
    settings: Settings
    space: Space
    url: str | None
    say: Callable[[str], None]
    spec: Spec
    goes_on: bool
    lease: Lease


def prepare(config: DictConfig, context: HydraContext, arguments: list[str], say: Callable[[str], None]) -> Scene:
    """Check what is asked for, then make or find the study's folder.

    Args:
        config: of the multirun, as Hydra composed it.
        context: as Hydra hands it to a sweeper.
        arguments: the task's overrides, with the sweeps.
        say: prints a line.

    Raises:
        ConfigError: if the study cannot run, or is another than the one in its folder; nothing was written.
        StorageError: if its storage cannot be opened.
        OSError: if its folder cannot be written.
    """
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    settings = Settings.from_config(config)
    url, hide = settings.storage, hider(settings.storage)
    arguments = [hide(line) for line in arguments]
    conceal(config, url)
    identity = identity_of(config)
    space = _space_of(config, context.config_loader, arguments, settings)
    require_able(settings, space)
    options = chosen_options(config, space)
    if (spec := read_spec(folder)) is not None:
        agree(spec.name, spec.identity, identity)
    else:
        reach(config)
        if url is not None:
            open_storage(url, folder)  # while nothing is written
    folder.mkdir(parents=True, exist_ok=True)
    with study_lock(folder):
        spec = read_spec(folder)
        goes_on = spec is not None
        if spec is not None:
            agree(spec.name, spec.identity, identity)
            if changed := changed_files(context.config_loader, folder, options, hide):
                names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
                since = f"configuration files were edited since the study began ({names})"
                say(f"{since}; it goes on with those that it began with, search.study=NAME begins another")
        else:
            shutil.rmtree(folder / FOLDER, ignore_errors=True)  # of a start that came to nothing
        try:
            take_snapshot(context.config_loader, folder, options, hide)
            loader = snapshot_loader(context.config_loader, folder)
            config = compose_again(loader, config, folder, context.config_loader)
            settings = Settings.from_config(config)
            conceal(config, url, pin=True)
            space = _space_of(config, loader, spec.overrides if spec is not None else arguments, settings)
            loader.load_sweep_config(config, space.overrides(_first_point(space)))
            if is_grid(settings, space) and settings.objectives[0].metric is None:
                settings = replace(settings, objectives=(replace(settings.objectives[0], required=False),))
            if spec is None:
                multirun = redact(OmegaConf.to_yaml(config), secret_values(config))
                write_whole(folder / "multirun.yaml", multirun.encode())
                storage = hidden(url) if url else "journal"
                spec = Spec.of(folder.name, identity, overrides=arguments, space=space, settings=settings,
                               storage=storage, config=FOLDER)  # fmt: skip
                write_spec(folder, spec)
                write_experiment(folder, config, space, settings.objectives)
            lease = Lease(folder)
        except BaseException:
            if not goes_on:
                _remove_start(folder)
            raise
    HydraConfig.instance().set_config(config)
    context = HydraContext(
        config_loader=loader, callbacks=context.callbacks, execution_whitelist=context.execution_whitelist
    )
    return Scene(folder, context, config, settings, space, url, say, spec, goes_on, lease)


def take_back(scene: Scene, book: Book | None) -> None:
    """Remove what a study that is refused after all has written, unless another sweeper has joined it.

    Args:
        scene: the study.
        book: of its trials, if it got that far.
    """
    with study_lock(scene.folder):
        if not scene.lease.is_alone():
            return
        if book is not None:
            book.forget()
        if not scene.goes_on:
            scene.lease.end()
            _remove_start(scene.folder)


def _remove_start(folder: Path) -> None:
    for name in (FOLDER, "_sweep", LEASES):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (FILE_NAME, "multirun.yaml", JOURNAL, lock_of(folder / JOURNAL).name, LOCK):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is something else in it
        folder.rmdir()


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
