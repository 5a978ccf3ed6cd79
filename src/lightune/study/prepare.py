"""From what a sweeper gets from Hydra to a study that can run: folder, snapshot, space, settings."""

import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from lightune.config.own_code import OwnCode, changed_code, own_code
from lightune.errors import ConfigError, Problem
from lightune.private_api.hydra import judge_of
from lightune.runtime.atomic_files import remove_leftovers, write_whole
from lightune.runtime.contained import require_contained
from lightune.secrets import redact, secret_values
from lightune.study.agreement import require_agreement
from lightune.study.context import StudyContext
from lightune.study.definition.config_files import chosen_options, folder_of_options
from lightune.study.definition.definition import Definition, read_definition
from lightune.study.definition.identity import HOW_FAR, WHAT_IS_LEFT, identity_of
from lightune.study.definition.settings import Settings
from lightune.study.definition.snapshot import (
    FOLDER,
    changed_files,
    complete_snapshot,
    compose_again,
    is_of_snapshot,
    shortened,
    snapshot_digests,
    snapshot_loader,
    take_snapshot,
)
from lightune.study.definition.spec import FILE_NAME, Spec, agree, read_spec, write_spec
from lightune.study.executors.launcher import launcher_of
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.outputs.hparams import RECORD
from lightune.study.storage.backends import open_storage
from lightune.study.storage.credentials import conceal, hidden, hider_of
from lightune.study.storage.journal import JOURNAL, lock_of
from lightune.study.storage.lease import FOLDER as LEASES
from lightune.study.storage.lease import Lease
from lightune.study.storage.locks import LOCK, study_lock
from lightune.study.storage.samplers import is_grid, require_able
from lightune.study.storage.trial_store import TrialStore

__all__ = ["code_of", "prepare", "undo"]

_TARGET = re.compile(rb"_target_:[ \t]*['\"]?([A-Za-z_][\w.]*)")
_ITS_OWN = {FOLDER, RECORD, FILE_NAME, "multirun.yaml", "trials", "trials.csv", "best.yaml"}


def prepare(
    config: DictConfig,
    hydra_context: HydraContext,
    arguments: list[str],
    print_line: Callable[[str], None],
    definition: Definition | None = None,
) -> StudyContext:
    """Check what is asked for, then make or find the study's folder.

    Args:
        config: of the multirun, as Hydra composed it.
        hydra_context: as a sweeper gets it.
        arguments: the task's overrides, with the sweeps.
        print_line: shows a line to whoever started the study.
        definition: what was read of the study when it was judged; it is read here where it was not, or says
            something else by now.

    Raises:
        ConfigError: if the study cannot run, or is another than the one in its folder; nothing was written.
        StorageError: if its storage cannot be opened.
        OSError: if its folder cannot be written.
    """
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    require_contained(folder)
    _require_free(folder, strict=judge_of(hydra_context.callbacks) is not None)
    hide = hider_of(config)
    arguments = [hide(line) for line in arguments]
    judged = definition if definition is not None and definition.is_that_of(config, arguments) else None
    asked = judged or read_definition(config, hydra_context.config_loader, arguments)
    require_able(asked.settings, asked.space)
    url, vocabulary = asked.settings.storage, asked.settings.vocabulary
    spec = read_spec(folder, vocabulary)
    if spec is None and judged is None:  # while the configuration is as it was composed
        require_agreement(asked, config, hydra_context.config_loader)
    conceal(config, url)
    identity, config_dir = identity_of(config), folder_of_options(config)
    if spec is not None:
        agree(spec.name, spec.identity, identity, vocabulary)
    else:
        if (launcher := launcher_of(config)) is not None:
            launcher.require_reachable(config.hydra.launcher)
        if url is not None:
            open_storage(url, folder, vocabulary=vocabulary)  # while nothing is written
    options = chosen_options(config, asked.space)
    folder.mkdir(parents=True, exist_ok=True)
    with study_lock(folder):
        spec = read_spec(folder, vocabulary)
        resumed = spec is not None
        has_trials = (folder / JOURNAL).exists()
        kept = frozenset(path.name for path in folder.iterdir()) if has_trials else frozenset()
        if spec is not None:
            agree(spec.name, spec.identity, identity, vocabulary)
            code = code_of(folder, vocabulary)
            if edited := _edited_code(spec, code, asked.settings):
                print_line(edited)
            _require_snapshot(spec, hydra_context.config_loader, folder, hide, print_line, vocabulary)
            if changed := changed_files(hydra_context.config_loader, folder, options, hide):
                since = f"configuration files were edited since the study began ({shortened(changed)})"
                another = f"{vocabulary.study}={vocabulary.name}"
                print_line(f"{since}; it goes on with those that it began with, {another} begins another")
        elif not has_trials:
            shutil.rmtree(folder / FOLDER, ignore_errors=True)  # of a start that came to nothing
        try:
            if spec is None:
                take_snapshot(hydra_context.config_loader, folder, options, hide)
                code = code_of(folder, vocabulary)
            loader = snapshot_loader(hydra_context.config_loader, folder)
            with _blaming_the_snapshot(vocabulary) if resumed else contextlib.nullcontext():
                config = compose_again(loader, config, folder, hydra_context.config_loader)
            if resumed and (judge := judge_of(hydra_context.callbacks)) is not None:
                judge(config)
            began = (
                read_definition(config, loader, _as_asked(spec.overrides, arguments))
                if spec is not None
                else asked
            )
            settings, space = replace(began.settings, storage=hidden(url) if url else None), began.space
            settings = _as_far_as_asked(settings, config, arguments) if resumed else settings
            conceal(config, url, pin=True)
            loader.load_sweep_config(config, space.overrides(space.first_point()))
            if is_grid(settings, space) and settings.objectives[0].metric is None:
                settings = replace(settings, objectives=(replace(settings.objectives[0], required=False),))
            if spec is None:
                spec = Spec.of(folder.name, identity, overrides=arguments, space=space, settings=settings,
                               storage=hidden(url) if url else "journal", config=FOLDER,
                               files=snapshot_digests(folder), code=code, config_dir=config_dir)  # fmt: skip
                multirun = redact(OmegaConf.to_yaml(config), secret_values(config))
                write_whole(folder / "multirun.yaml", multirun.encode())
                write_spec(folder, spec)
            else:
                shutil.rmtree(folder / RECORD, ignore_errors=True)  # it would hide the columns of others
            lease = Lease(folder)
            lease.end_workers_of_dead_owners()
        except BaseException:
            if not resumed:
                _remove_start(folder, kept)
            raise
        if lease.is_alone():  # else another driver may be writing there
            remove_leftovers(folder)
    for remark in space.remarks:
        print_line(remark)
    HydraConfig.instance().set_config(config)
    return StudyContext(
        folder=folder,
        hydra_context=HydraContext(
            config_loader=loader,
            callbacks=hydra_context.callbacks,
            execution_whitelist=hydra_context.execution_whitelist,
        ),
        config=config,
        settings=settings,
        space=space,
        url=url,
        print_line=print_line,
        spec=spec,
        code=code,
        resumed=resumed,
        kept=kept,
        lease=lease,
    )


def undo(study: StudyContext, store: TrialStore | None) -> None:
    """Remove what a study that is refused after all has written, unless another driver has joined it.

    Args:
        study: the study.
        store: of its trials, if it got that far.
    """
    with study_lock(study.folder):
        if not study.lease.is_alone():
            return
        if store is not None:
            store.forget()
        if not study.resumed:
            study.lease.end()
            _remove_start(study.folder, study.kept)


def _as_asked(began: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return the overrides that a study began with, but for what each run leaves, which is as today's say."""
    kept = [line for line in began if not _says_what_is_left(line)]
    # a study that began before the key was there has none in its files
    return [*kept, *(f"++{line.lstrip('+')}" for line in asked if _says_what_is_left(line))]


def _as_far_as_asked(began: Settings, config: DictConfig, asked: Sequence[str]) -> Settings:
    """Return settings with what today's command says of how much is to be done, and where.

    What a swept option brings is read with the words that the study began with, those of its length among them.

    Args:
        began: as the study's first trial has them.
        config: of the multirun, composed of today's words.
        asked: today's words for the task.
    """
    keys = {line.lstrip("+").partition("=")[0] for line in asked}
    typed = [name for name in HOW_FAR if f"search.{name}" in keys]
    today = Settings.from_config(config) if typed else began
    return replace(began, **{name: getattr(today, name) for name in typed})


def _says_what_is_left(line: str) -> bool:
    return any(line.lstrip("+").startswith(f"{key}=") for key in WHAT_IS_LEFT)


def _require_free(folder: Path, *, strict: bool) -> None:
    """Refuse a folder that is no study's and holds what a study would write over.

    Args:
        folder: that a study is to be made in.
        strict: whether other files are refused, too: those of another application may be its own.

    Raises:
        ConfigError: with what the folder holds.
    """
    if not folder.is_dir() or (folder / FILE_NAME).exists() or (folder / JOURNAL).exists():
        return
    conf = folder / FOLDER
    foreign = [conf] if conf.is_dir() and not all(map(is_of_snapshot, conf.iterdir())) else []
    if strict:
        foreign += [
            path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _ITS_OWN
        ]
    if foreign:
        rule = f"is no study and holds other things ({shortened(sorted({path.name for path in foreign}))})"
        raise ConfigError([Problem("hydra.sweep.dir", f"{rule}, got {folder}; take another folder")])


def _require_snapshot(
    spec: Spec,
    loader: ConfigLoader,
    folder: Path,
    hide: Callable[[str], str],
    say: Callable[[str], None],
    vocabulary: Vocabulary,
) -> None:
    """See to it that the configuration files that a study began with are there, all of them."""
    if spec.files is not None:
        if mended := complete_snapshot(loader, folder, spec.files, hide):
            since = f"configuration files of the study were missing or damaged ({shortened(mended)})"
            say(f"{since}; today's, which are the same, were taken in their place")
    elif not (folder / FOLDER).is_dir():
        rule = f"the configuration files that it began with are missing (the whole folder {FOLDER})"
        advice = f"put them back from a copy, or take another {vocabulary.study}="
        raise ConfigError([Problem(vocabulary.study, f"{rule}; {advice}")])


def code_of(folder: Path, vocabulary: Vocabulary) -> OwnCode:
    """Return the code that a study calls, as it is now.

    In an application of somebody else this is its script, too, and what its configuration files name.

    Args:
        folder: the study's, with its configuration files.
        vocabulary: of its application.
    """
    if vocabulary is LIGHTUNE:
        return own_code()
    started = getattr(sys.modules["__main__"], "__file__", None)
    files = (folder / FOLDER).rglob("*.yaml")
    targets = {name.decode() for file in files for name in _TARGET.findall(file.read_bytes())}
    return own_code(targets, Path(started) if started else None)


def _edited_code(spec: Spec, code: OwnCode, settings: Settings) -> str | None:
    """Return a line on the code that was edited since a study began, if any was.

    Raises:
        ConfigError: if the study is to be refused then.
    """
    if spec.code is None:
        return None
    edited = changed_code(spec.code["files"], code.files)
    if not edited:
        return None
    since, vocabulary = f"code was edited since the study began ({shortened(edited)})", settings.vocabulary
    other_ways = f"put it back, or {vocabulary.study}={vocabulary.name} begins another study"
    key = vocabulary.key("changed_code")
    if settings.changed_code == "refuse":
        rule = f"{since}, and its trials are to be of one version"
        raise ConfigError([Problem(key, f"{rule}; {other_ways}, or {key}=warn goes on")])
    return f"{since}: trials from now on are of another version than those before; {other_ways}"


@contextlib.contextmanager
def _blaming_the_snapshot(vocabulary: Vocabulary) -> Iterator[None]:
    """Say of what cannot be composed, and could when the study began, that its files are damaged."""
    try:
        yield
    except (CompactHydraException, OmegaConfBaseException, YAMLError) as error:
        reason = str(error).strip().splitlines()[0]
        rule = f"the configuration files that it began with are incomplete or damaged ({reason})"
        advice = f"put {FOLDER}/ back from a copy, or take another {vocabulary.study}="
        raise ConfigError([Problem(vocabulary.study, f"{rule}; {advice}")]) from error


def _remove_start(folder: Path, kept: frozenset[str]) -> None:
    """Remove what a start has written into a study's folder, but nothing that was there before."""
    for name in {FOLDER, LEASES} - kept:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in {FILE_NAME, "multirun.yaml", JOURNAL, lock_of(folder / JOURNAL).name, LOCK} - kept:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is something else in it
        folder.rmdir()
