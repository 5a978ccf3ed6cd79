"""Go on with a run that was cut off, in its own folder and with its own configuration."""

import json
import logging
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from yaml import YAMLError  # type: ignore[import-untyped]

from lightune.config.finders import FINDERS
from lightune.config.static.annotations import show
from lightune.config.targets import names_folders
from lightune.errors import ConfigError, Problem, reason_of
from lightune.paths import expanded, shown_path, study_above
from lightune.reporting.fits import FIT_FILE, read_fit
from lightune.reporting.result import FILE_NAME, FINISHED, read_result, write_result
from lightune.runtime.atomic_files import remove_leftovers, write_whole
from lightune.runtime.contained import foreign_content, require_contained
from lightune.training.lengthening import keep_finished

__all__ = [
    "keep_config",
    "keep_first_config",
    "load_run_config",
    "reopen",
    "require_no_run",
    "resumed_config",
    "run_of",
]

log = logging.getLogger(__name__)

_RESUMED_FILE = "resumed.yaml"
_SHORTER = "cannot be less than the run has"
_FIXED = "cannot change when a run is resumed; only trainer.*, the patience and what is kept can"
_FOUND_ONCE = "cannot change when a run is resumed: what is found is found before it is trained"
_PATIENCE = "callbacks.early_stopping.patience"
_KEEP = "callbacks.checkpoint.keep"
_LENGTHS = ("trainer.max_epochs", "trainer.max_steps")
_PLACE = ("accelerator", "devices", "num_nodes", "strategy", "precision")


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
        raise ConfigError([Problem(str(file), f"cannot be read: {reason_of(error)}")]) from error
    if not isinstance(cfg, DictConfig):
        raise ConfigError([Problem(str(file), "must be a mapping of the configuration's keys")])
    return cfg


def run_of(folder: Path) -> Path:
    """Return the folder of the run that a folder is of: itself, or where it is that of a fit, its run's."""
    is_fit = folder.parent.name == "fits" and not (folder / ".hydra").exists()
    return folder.parent.parent if is_fit else folder


def require_no_run(folder: Path) -> None:
    """Refuse a folder in which a run has left something that a new one would write over.

    Raises:
        ConfigError: with what is there.
    """
    left = [name for name in (FILE_NAME, ".hydra", "checkpoints", "fits") if (folder / name).exists()]
    if left:
        rule = f"holds a run ({', '.join(left)}), got {folder}"
        advice = "lightune.resume(RUN) goes on with it; name another folder for a new run"
        raise ConfigError([Problem("run_dir", f"{rule}; {advice}")])


def keep_first_config(run_dir: Path, cfg: DictConfig) -> None:
    """Keep the configuration of a run that was not started by Hydra, as Hydra would."""
    (run_dir / ".hydra").mkdir()
    OmegaConf.save(cfg, run_dir / ".hydra" / "config.yaml", resolve=False)


def keep_config(run_dir: Path, cfg: DictConfig) -> None:
    """Keep what a run is resumed with, if it is new; `.hydra/` stays as it is, and what a finished run left."""
    if _status(run_dir) in FINISHED:
        keep_finished(run_dir)
    before = load_run_config(run_dir)
    if cfg != before:
        if any(OmegaConf.select(cfg, key) != OmegaConf.select(before, key) for key in (*_LENGTHS, _PATIENCE)):
            reopen_fits(run_dir)
        write_whole(run_dir / _RESUMED_FILE, OmegaConf.to_yaml(cfg, resolve=False).encode())


def reopen_fits(run_dir: Path) -> None:
    """Let no fit count as finished: all of them are to be made longer, or their mean would mix lengths."""
    for fit in (run_dir / "fits").glob(f"*/{FIT_FILE}"):
        fit.unlink()


def reopen(run_dir: Path) -> None:
    """Let a run that goes on count as cut off, and all fits of one that is made longer; sweep up after kills."""
    remove_leftovers(run_dir, below=True)
    status = _status(run_dir)
    if status in FINISHED:
        reopen_fits(run_dir)
    if status in (*FINISHED, "failed"):
        try:
            write_result(replace(read_result(run_dir), status="interrupted", error=None))
        except ValueError:  # a study's word on a trial that left none
            (run_dir / FILE_NAME).unlink()


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "there is no such folder"
    if path.is_file():
        return "it is a file"
    if (path / "multirun.yaml").is_file():
        return "it is a sweep; its runs are in trials/, and lightune best names the best"
    inside = sorted(child.name for child in path.iterdir())[:5]
    return f"it has no .hydra/config.yaml (it has {', '.join(inside) or 'nothing'})"


def resumed_config(run_dir: Path, overrides: Sequence[str], composed: DictConfig) -> DictConfig:
    """Return the frozen configuration of a run with the changes that a resumed run may have.

    Args:
        run_dir: the run's folder.
        overrides: those of the command, `resume` among them.
        composed: what they compose to today, which is where a trainer chosen anew is taken from.

    Raises:
        ConfigError: if the folder is no run, or a trial's, or holds links that lead elsewhere, if the run is
            finished and nothing lengthens it, or if something is to be changed that would make it another run.
    """
    require_contained(run_dir)
    if not (run_dir / ".hydra" / "config.yaml").is_file():
        raise ConfigError(
            [Problem("resume", f"must be the folder of a run: {_what_it_is(run_dir)}, got {run_dir}")]
        )
    _require_no_trial(run_dir)
    frozen = load_run_config(run_dir)
    before = frozen.copy()
    _require_own_root(frozen, composed)
    problems, shortened = [], []
    said_before = _overrides_before(run_dir)
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in sorted(parsed, key=lambda each: each.key_or_group != "trainer"):  # the group before its keys
        key = override.get_key_element().lstrip("+~")
        asked = OmegaConf.select(composed, key, default=None)
        if key == "resume" or key.startswith("hydra."):
            continue
        if key == "trainer":
            _move(frozen, asked)
        elif override.input_line in said_before and key not in _places():
            continue  # the command that began it, typed again
        elif key.removeprefix("trainer.") in FINDERS:
            if bool(asked) != bool(OmegaConf.select(before, key, default=False)):
                problems.append(Problem(key, f"{_FOUND_ONCE}; leave it away, got {show(asked)}"))
        elif key.startswith("trainer.") or key in (_PATIENCE, _KEEP):
            kept = OmegaConf.select(before, key)
            numbers = isinstance(kept, int) and isinstance(asked, int)
            if key in (*_LENGTHS, _PATIENCE) and numbers and _limit(key, asked) < _limit(key, kept):
                shortened.append(
                    Problem(key, f"{_SHORTER}, which is {kept}, got {asked}; a shorter run is a new one")
                )
            with open_dict(frozen):
                OmegaConf.update(frozen, key, asked)
        elif asked is None and OmegaConf.select(before, key, default=None) is None:
            problems.append(Problem(key, f"{_FIXED}, got {override.get_value_element_as_str()}"))
        elif asked != (kept := OmegaConf.select(before, key, default=None)):
            problems.append(Problem(key, f"{_FIXED}: the run has {_brief(kept)}, got {_brief(asked)}"))
    if not problems and (status := _status(run_dir)) in FINISHED and not _goes_on(status, run_dir, frozen, before):
        advice = _how_to_lengthen(status, run_dir, before)
        problems.append(Problem("resume", f"{run_dir} is finished ({status}); {advice}"))
    elif shortened:
        problems += shortened
    if problems:
        raise ConfigError(problems)
    return frozen


def _require_no_trial(run_dir: Path) -> None:
    """Refuse a trial of a study, which has recorded what it reached, or will train it to its end itself.

    Raises:
        ConfigError: with the study.
    """
    if (study := study_above(run_dir)) is not None:
        rule = f"{run_dir} is a trial of the study {shown_path(study)}, whose record it would no longer agree with"
        copied = f"cp -r {shlex.quote(str(run_dir))} {shlex.quote(f'{study.name}_{run_dir.name}')}"
        raise ConfigError([Problem("resume", f"{rule}; go on with the study, or with a copy: {copied}")])


def _require_own_root(frozen: DictConfig, composed: DictConfig) -> None:
    """Refuse a run whose parts may write into a folder of other things: whoever made it may not be its owner.

    Raises:
        ConfigError: with that folder.
    """
    root = str(frozen.get("output_root"))
    if root == str(composed.get("output_root")) or not names_folders(frozen):
        return
    if foreign_content(Path(expanded(root))):
        rule = f"of the run is what a callback or logger writes to, and holds other things, got {root}"
        advice = f"if it is yours, type output_root={shlex.quote(root)}"
        raise ConfigError([Problem("output_root", f"{rule}; {advice}")])


def _places() -> tuple[str, ...]:
    return tuple(f"trainer.{name}" for name in _PLACE)


def _move(frozen: DictConfig, trainer: DictConfig) -> None:
    """Let a run go on where another trainer would train; how long and how is the run's own."""
    with open_dict(frozen):
        for name in _PLACE:
            frozen.trainer.pop(name, None)
            if name in trainer:
                frozen.trainer[name] = trainer[name]


def _overrides_before(run_dir: Path) -> list[str]:
    file = run_dir / ".hydra" / "overrides.yaml"
    return [str(line) for line in OmegaConf.load(file)] if file.is_file() else []


def _result(run_dir: Path) -> dict[str, Any]:
    """Return what a run's result says; nothing if it has none that can be read."""
    try:
        content = json.loads((run_dir / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _status(run_dir: Path) -> str | None:
    status = _result(run_dir).get("status")
    return None if status is None else str(status)


def _goes_on(status: str | None, run_dir: Path, now: DictConfig, before: DictConfig) -> bool:
    """Return True if what ended would not end at once: patience or a length that was used up stays used up."""
    fits = [read_fit(folder) for folder in (run_dir / "fits").glob("*")]
    endings: set[str | None] = {fit.status for fit in fits if fit is not None} or {status}
    by_patience = "early_stopped" in endings and _is_longer(now, before, _PATIENCE)
    return by_patience or (endings != {"early_stopped"} and _has_more(now, before, _used_up(run_dir, before)))


def _used_up(run_dir: Path, before: DictConfig) -> list[str]:
    """Return which of the lengths ended a run, or all of its fits."""
    fits = [fit for folder in (run_dir / "fits").glob("*") if (fit := read_fit(folder)) is not None]
    result = _result(run_dir)
    trained = [(fit.epochs, fit.steps) for fit in fits] or [(result.get("epochs", 0), result.get("steps", 0))]
    limits = [OmegaConf.select(before, key) for key in _LENGTHS]
    return [
        key
        for key, limit, *counts in zip(_LENGTHS, limits, *trained, strict=True)
        if isinstance(limit, int) and all(count == limit for count in counts)
    ]


def _has_more(now: DictConfig, before: DictConfig, used_up: Sequence[str]) -> bool:
    longer = {key for key in _LENGTHS if _is_longer(now, before, key)}
    return longer.issuperset(used_up) if used_up else bool(longer)


def _is_longer(now: DictConfig, before: DictConfig, key: str) -> bool:
    new, old = (_limit(key, OmegaConf.select(cfg, key)) for cfg in (now, before))
    if new == old:
        return False
    return not _is_number(new) or not _is_number(old) or new > old  # no number is refused in its turn


def _limit(key: str, value: Any) -> Any:
    """Return what a key of a run's length says as a number: no limit of steps is more than any."""
    return math.inf if key == "trainer.max_steps" and value in (None, -1) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _how_to_lengthen(status: str | None, run_dir: Path, before: DictConfig) -> str:
    keys = _used_up(run_dir, before) or ["trainer.max_epochs"]
    return f"lengthen it with a larger {_PATIENCE if status == 'early_stopped' else ' and '.join(keys)}"


def _brief(value: Any) -> str:
    if isinstance(value, DictConfig):
        names = ", ".join(str(key) for key in value if value[key] is not None) or "nothing"
        return str(value.get("_target_", names)).rpartition(".")[2]
    return show(value)
