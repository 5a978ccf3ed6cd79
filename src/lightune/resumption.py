"""Go on with a run that was cut off, in its own folder and with its own configuration."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from yaml import YAMLError  # type: ignore[import-untyped]

from lightune.config.annotations import show
from lightune.errors import CheckpointError, ConfigError, Problem
from lightune.files import write_whole
from lightune.reporting.fits import FIT_FILE
from lightune.reporting.result import FILE_NAME, read_result, write_result

__all__ = [
    "keep_config",
    "load_run_config",
    "newest_checkpoint",
    "only_owner",
    "reopen",
    "require_sound_checkpoints",
    "resumed_config",
]

log = logging.getLogger(__name__)

_LOCK = ".lock"
_RESUMED_FILE = "resumed.yaml"
_FIXED = "cannot change when a run is resumed; only trainer.* and the patience can"
_FINAL = ("completed", "early_stopped", "pruned")
_PATIENCE = "callbacks.early_stopping.patience"
_LENGTHENING = ("trainer.max_epochs", "trainer.max_steps", _PATIENCE)


def load_run_config(run_dir: Path) -> DictConfig:
    """Load the configuration that a run kept, with what it was resumed with.

    Raises:
        ConfigError: if the folder holds none, with what it is instead.
    """
    frozen = run_dir / ".hydra" / "config.yaml"
    if not frozen.is_file():
        raise ConfigError([Problem(str(run_dir), f"is no run: {_what_it_is(run_dir)}")])
    resumed = run_dir / _RESUMED_FILE
    file = resumed if resumed.is_file() else frozen
    try:
        cfg = OmegaConf.load(file)
    except (OSError, YAMLError) as error:
        raise ConfigError([Problem(str(file), f"cannot be read: {' '.join(str(error).split())}")]) from error
    if not isinstance(cfg, DictConfig):
        raise ConfigError([Problem(str(file), "must be a mapping of the configuration's keys")])
    return cfg


def keep_config(run_dir: Path, cfg: DictConfig) -> None:
    """Keep what a run is resumed with, if that is not what it kept: `.hydra/` stays as it is."""
    before = load_run_config(run_dir)
    if cfg != before:
        if _is_longer(cfg, before):
            reopen_fits(run_dir)
        write_whole(run_dir / _RESUMED_FILE, OmegaConf.to_yaml(cfg, resolve=False).encode())


def reopen_fits(run_dir: Path) -> None:
    """Let no fit count as finished: all of them are to be made longer, or their mean would mix lengths."""
    for fit in (run_dir / "fits").glob(f"*/{FIT_FILE}"):
        fit.unlink()


def reopen(run_dir: Path) -> None:
    """Let a run that is to be made longer count as cut off, and its fits as not finished; sweep up after kills."""
    for leftover in run_dir.rglob(".*.tmp"):
        leftover.unlink()
    if _status(run_dir) in _FINAL:
        reopen_fits(run_dir)
        write_result(replace(read_result(run_dir), status="interrupted"))


@contextmanager
def only_owner(run_dir: Path) -> Iterator[None]:
    """Hold a run's folder against other processes for as long as the run lasts; a killed process lets go of it.

    Raises:
        ConfigError: if another process is at work there.
    """
    lock = FileLock(run_dir / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            [Problem(str(run_dir), "is at work in another process; wait for it or stop it")]
        ) from None
    try:
        yield
    finally:
        (run_dir / _LOCK).unlink(missing_ok=True)
        lock.release()


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "there is no such folder"
    if path.is_file():
        return "it is a file"
    if (path / "multirun.yaml").is_file():
        return "it is a sweep; its runs are in trials/"
    inside = sorted(child.name for child in path.iterdir())[:5]
    return f"it has no .hydra/config.yaml (it has {', '.join(inside) or 'nothing'})"


def resumed_config(run_dir: Path, overrides: Sequence[str], composed: DictConfig) -> DictConfig:
    """Return the frozen configuration of a run with the changes that a resumed run may have.

    Args:
        run_dir: the run's folder.
        overrides: those of the command, `resume` among them.
        composed: what they compose to today, which is where a trainer chosen anew is taken from.

    Raises:
        ConfigError: if the folder is no run, if the run is finished and nothing lengthens it, or if something is
            to be changed that would make it another run.
    """
    frozen = load_run_config(run_dir)
    before = frozen.copy()
    problems = []
    said_before = _overrides_before(run_dir)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element().lstrip("+~")
        if key == "resume" or key.startswith("hydra.") or override.input_line in said_before:
            continue
        asked = OmegaConf.select(composed, key, default=None)
        if key == "trainer":
            lengths = {
                name: before.trainer[name] for name in ("max_epochs", "max_steps") if name in before.trainer
            }
            frozen.trainer = OmegaConf.merge(asked, lengths)
        elif key.startswith("trainer.") or key == _PATIENCE:
            with open_dict(frozen):
                OmegaConf.update(frozen, key, asked)
        elif asked is None and OmegaConf.select(before, key, default=None) is None:
            problems.append(Problem(key, f"{_FIXED}, got {override.get_value_element_as_str()}"))
        elif asked != (kept := OmegaConf.select(before, key, default=None)):
            problems.append(Problem(key, f"{_FIXED}: the run has {_brief(kept)}, got {_brief(asked)}"))
    if not problems and (status := _status(run_dir)) in _FINAL and not _goes_on(status, frozen, before):
        problems.append(Problem("resume", f"{run_dir} is finished ({status}); {_how_to_lengthen(status)}"))
    if problems:
        raise ConfigError(problems)
    return frozen


def _overrides_before(run_dir: Path) -> list[str]:
    file = run_dir / ".hydra" / "overrides.yaml"
    return [str(line) for line in OmegaConf.load(file)] if file.is_file() else []


def newest_checkpoint(run_dir: Path) -> Path | None:
    """Return the newest sound checkpoint of a run; None if it was cut off before it wrote one.

    Raises:
        ConfigError: if there are checkpoints and none is sound.
    """
    from lightune.checkpoints import read_checkpoint

    damaged = []
    there = [run_dir / "checkpoints" / f"{name}.ckpt" for name in ("last", "best")]
    for path in sorted((path for path in there if path.exists()), key=lambda path: -path.stat().st_mtime_ns):
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            log.warning("%s", error)
            damaged.append(str(error))
        else:
            return path
    if damaged:
        raise ConfigError([Problem("resume", message) for message in damaged])
    return None


def require_sound_checkpoints(run_dir: Path) -> None:
    """Refuse a run, before anything is started, of which a fit has checkpoints and none is sound.

    Raises:
        ConfigError: naming each file and what is wrong with it.
    """
    for folder in [run_dir, *(run_dir / "fits").glob("*")]:
        newest_checkpoint(folder)


def _status(run_dir: Path) -> str | None:
    try:
        content = json.loads((run_dir / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(content.get("status"))


def _goes_on(status: str | None, now: DictConfig, before: DictConfig) -> bool:
    """Tell whether what ended would not end at once: patience that was used up stays used up."""
    if status != "early_stopped":
        return _is_longer(now, before)
    new, old = OmegaConf.select(now, _PATIENCE), OmegaConf.select(before, _PATIENCE)
    return new is None or not isinstance(new, int) or new > (old or 0)


def _is_longer(now: DictConfig, before: DictConfig) -> bool:
    for key in _LENGTHENING:
        new, old = OmegaConf.select(now, key), OmegaConf.select(before, key) or 0
        if new is not None and (not isinstance(new, int) or new > old):  # what is no number is refused in its turn
            return True
    return False


def _how_to_lengthen(status: str | None) -> str:
    key = _PATIENCE if status == "early_stopped" else "trainer.max_epochs"
    return f"lengthen it with a larger {key}"


def _brief(value: Any) -> str:
    if isinstance(value, DictConfig):
        return str(value.get("_target_", "a mapping")).rpartition(".")[2]
    return show(value)
