"""What Hydra's own node may say: judged before Hydra, or a job, acts on any of it.

Hydra opens log files, makes callbacks and sets variables of the environment before a task is called, so none of
that can be judged by the task, or by a callback that the configuration could remove. This module must not import
torch or Lightning; nor, at its top, what reads signatures, which help and `--cfg` do without.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import Container, DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from lightune.config.trust import ENVIRONMENT_VARIABLE, is_own
from lightune.errors import ConfigError, Problem
from lightune.paths import STUDY_FILE, expanded, is_inside
from lightune.runtime.contained import foreign_content
from lightune.secrets import names_behind

__all__ = ["hydra_problems", "judge", "judge_job"]

_PREFLIGHT = "lightune.cli.preflight.Preflight"
_LOGS = ("hydra.job_logging", "hydra.hydra_logging")
_LOG_PARTS = {
    "logging.FileHandler", "logging.StreamHandler", "logging.NullHandler", "logging.Formatter", "logging.Filter",
    "colorlog.ColoredFormatter",
}  # fmt: skip
_PROTECTED = re.compile(
    r"LIGHTUNE_.*|PYTHON.*|LD_.*|DYLD_.*|GIT_.*|SSH_.*|XDG_.*|HYDRA_.*|RAY_.*|SLURM_.*|MASTER_.*|TORCHELASTIC_.*"
    r"|TORCHINDUCTOR_.*|TORCH_(FORCE|COMPILE)_.*|TORCH_(EXTENSIONS_DIR|DEVICE_BACKEND_AUTOLOAD)|TRITON_.*"
    r"|(CUDA|NVTX)_INJECTION.*|NCCL_.*PLUGIN|OMP_TOOL.*|GLIBC_.*|GCONV_PATH|LOCPATH|LOCAL_RANK|NODE_RANK|GROUP_RANK"
    r"|RANK|WORLD_SIZE|PATH|HOME|SHELL|ENV|BASH_ENV|IFS|TMPDIR|TEMP|TMP|CC|CXX|EDITOR|VISUAL|PAGER",
    re.IGNORECASE,
)
"""Variables that decide which code, programs and libraries run, and with which other processes."""
_COMMANDS = {"setup", "python", "srun_args", "additional_parameters", "runtime_env", "job_config", "address"}
"""Settings of launchers that are commands, or that name the cluster whose answers are believed."""
_LAUNCHER = "hydra.launcher"
_DEFAULT_ROOT = "outputs"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def judge(config: DictConfig) -> None:
    """Refuse a configuration of which Hydra, or a job, must not even begin to act.

    Args:
        config: as composed, with Hydra's own node.

    Raises:
        ConfigError: with all that is wrong with Hydra's own node.
    """
    if problems := list(hydra_problems(config)):
        raise ConfigError(problems)


def judge_job(config: DictConfig, number: int) -> None:
    """Refuse a job of a multirun that another launcher is to run, which judges nothing before it writes.

    Args:
        config: of the job; it is told which one it is.
        number: of the job, >= 0.

    Raises:
        ConfigError: as `judge`.
    """
    active: Any = HydraConfig.instance()
    before, active.cfg = active.cfg, config
    try:
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.num, config.hydra.job.id = number, str(number)
            config.hydra.runtime.output_dir = os.path.abspath(
                os.path.join(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir))
            )
        judge(config)
    finally:
        active.cfg = before


def hydra_problems(config: DictConfig) -> Iterator[Problem]:
    """Yield what is wrong with Hydra's own node; see `judge`."""
    yield from _environment_problems(config)
    yield from _callback_problems(config)
    yield from _root_problems(config)
    yield from _place_problems(config)
    with _as_a_job_sees_it(config):
        for log in _LOGS:
            yield from _log_problems(config, log)
    yield from _launcher_problems(config)
    yield from _missing_parts(config)


def _missing_parts(config: DictConfig) -> Iterator[Problem]:
    """Yield what a multirun cannot do without."""
    for part, usual in (("launcher", "local"), ("sweeper", "lightune")):
        if config.hydra.get("mode") == RunMode.MULTIRUN and OmegaConf.is_missing(config.hydra, part):
            rule = f"is what a multirun needs, and was removed; choose one, as hydra/{part}={usual}"
            yield Problem(f"hydra/{part}", rule)


def _environment_problems(config: DictConfig) -> Iterator[Problem]:
    for name in OmegaConf.select(config, "hydra.job.env_set") or {}:
        if _PROTECTED.fullmatch(str(name)):
            rule = "decides which code runs, and cannot be set by a configuration; set it in the shell"
            yield Problem(f"hydra.job.env_set.{name}", rule)


def _callback_problems(config: DictConfig) -> Iterator[Problem]:
    path = "hydra.callbacks"
    for key, node in _mappings(path, _plain(OmegaConf.select(config, path))):
        target = node.get("_target_")
        if "_target_" in node and target != _PREFLIGHT and not is_own(str(target)):
            yield Problem(f"{key}._target_", _untrusted(target))


def _root_problems(config: DictConfig) -> Iterator[Problem]:
    """Refuse that a file says where to write in a folder of other things, which may not be its author's."""
    root, lines = config.get("output_root"), config.hydra.overrides.task
    typed = any(line.lstrip("+").startswith("output_root=") for line in _texts(lines))
    if not isinstance(root, str) or typed or root == _DEFAULT_ROOT or names_behind(config, "output_root"):
        return
    from lightune.config.targets import names_folders

    if not names_folders(config):  # runs and studies make folders of their own
        return
    if names := foreign_content(Path(str(config.hydra.runtime.cwd)) / expanded(root)):
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        rule = f"stands in a file, is what a callback or logger writes to, and holds other things ({shown})"
        yield Problem("output_root", f"{rule}, got {root}; name a new folder, or type it on the command line")


def _texts(lines: Any) -> list[str]:
    written = OmegaConf.to_container(lines, resolve=False)  # a line may look like an interpolation
    assert isinstance(written, list)
    return [str(line) for line in written]


def _place_problems(config: DictConfig) -> Iterator[Problem]:
    """Yield what is wrong with the folder of a job of a multirun, once it is known."""
    runtime, sweep = config.hydra.runtime, config.hydra.sweep
    if config.hydra.mode != RunMode.MULTIRUN or OmegaConf.is_missing(runtime, "output_dir"):
        return
    here = Path(str(runtime.cwd))
    if not is_inside(here / str(runtime.output_dir), here / str(sweep.dir)):
        yield Problem("hydra.sweep.subdir", f"must lie below hydra.sweep.dir, got {sweep.subdir}")


@contextmanager
def _as_a_job_sees_it(config: DictConfig) -> Iterator[None]:
    """Let a configuration refer to the job that it is of, and to its folder, as far as that is known."""
    active: Any = HydraConfig.instance()
    runtime = config.hydra.runtime
    before, missing = active.cfg, OmegaConf.is_missing(runtime, "output_dir")
    active.cfg = config
    try:
        with read_write(config.hydra), open_dict(config.hydra):
            if missing:
                node = config.hydra.sweep if config.hydra.mode == RunMode.MULTIRUN else config.hydra.run
                with suppress(OmegaConfBaseException, ValueError):  # which is said in its turn
                    runtime.output_dir = str(node.dir)
        yield
    finally:
        with read_write(config.hydra), open_dict(config.hydra):
            if missing:
                runtime.output_dir = "???"
        active.cfg = before


def _log_problems(config: DictConfig, log: str) -> Iterator[Problem]:
    node = OmegaConf.select(config, log)
    try:
        plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, Container) else None
    except (OmegaConfBaseException, ValueError) as error:
        yield Problem(log, f"cannot be resolved: {str(error).splitlines()[0]}")
        return
    if not isinstance(plain, dict) or plain.get("root") is None:
        return  # Hydra leaves the log as it is
    root, here = expanded(str(config.output_root)), Path(str(config.hydra.runtime.cwd))
    places = [here, Path(str(config.hydra.runtime.output_dir))] if config.hydra.job.chdir else [here]
    own = _own_folder(config)
    typed = _typed(config, log)
    for path, part in _mappings(log, plain):
        for key in ("()", "class", "queue", "listener"):
            name = part.get(key)
            if isinstance(name, str) and name.removeprefix("ext://") not in _LOG_PARTS and not is_own(name):
                yield Problem(f"{path}.{key}", _untrusted(name))
        if "." in part:
            yield Problem(f"{path}.'.'", "cannot be given: it changes a part after it was judged")
        file = part.get("filename")
        if file is None:
            continue
        if "://" in str(file) or not all(is_inside(place / str(file), here / root) for place in places):
            yield Problem(f"{path}.filename", f"must lie below output_root ({root}), got {file}")
        elif _at(typed, f"{path}.filename") is None and (
            own is None or not all(is_inside(place / str(file), own) for place in places)
        ):
            rule = "must lie in the run's own folder, unless it is typed on the command line"
            yield Problem(f"{path}.filename", f"{rule}, got {file}")


def _own_folder(config: DictConfig) -> Path | None:
    """Return the folder in which a command may open files; None if that exists and is none of ours."""
    multirun = config.hydra.mode == RunMode.MULTIRUN
    node = config.hydra.sweep if multirun else config.hydra.run
    folder = Path(str(config.hydra.runtime.cwd)) / str(node.dir)
    begun = not OmegaConf.is_missing(config.hydra.job, "num")  # a job's folder was made for it
    is_ours = begun or not folder.exists() or (folder / STUDY_FILE).is_file()
    return folder if is_ours else None


def _launcher_problems(config: DictConfig) -> Iterator[Problem]:
    """Yield the settings of a launcher that run commands, unless they were typed as they are."""
    launcher = OmegaConf.select(config, _LAUNCHER)
    if not isinstance(launcher, DictConfig) or is_own(_LAUNCHER):
        return
    typed = _typed(config, _LAUNCHER)
    for path, node in _mappings(_LAUNCHER, OmegaConf.to_container(launcher, resolve=False)):
        for key, value in node.items():
            full = f"{path}.{key}"
            if value in (None, [], {}) or value == _at(typed, full):
                continue
            advice = f"type it on the command line, or start with {ENVIRONMENT_VARIABLE}={_LAUNCHER}"
            if key in _COMMANDS:
                yield Problem(full, f"decides which code runs, and stands in a file; {advice}")
            elif isinstance(value, str) and _CONTROL.search(value):
                yield Problem(full, f"must be one line of text, got {value!r}; {advice}")


def _typed(config: DictConfig, part: str) -> dict[Any, Any]:
    """Return what the overrides of the command say of a part of Hydra's own node, without what files say."""
    typed = OmegaConf.create()
    for override in OverridesParser.create().parse_overrides(_texts(config.hydra.overrides.hydra)):
        key = override.key_or_group
        if key.startswith(f"{part}.") and not override.is_delete():
            OmegaConf.update(typed, key, override.value())
    plain = OmegaConf.to_container(typed, resolve=False)
    assert isinstance(plain, dict)
    return plain


def _at(plain: Any, path: str) -> Any:
    """Return what stands at a dotted path of plain values; None if there is nothing."""
    for key in path.split("."):
        plain = plain.get(key) if isinstance(plain, dict) else None
    return plain


def _untrusted(target: Any) -> str:
    package = str(target).partition(".")[0]
    return f"is not trusted, got {target}; if it is code of yours, start with {ENVIRONMENT_VARIABLE}={package}"


def _mappings(path: str, value: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Yield every mapping in plain values, with its dotted path."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from _mappings(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _mappings(f"{path}.{index}", inner)


def _plain(node: Any) -> Any:
    """Return a node as plain values, resolved where that is possible."""
    if not isinstance(node, Container):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True)
    except (OmegaConfBaseException, ValueError):
        return OmegaConf.to_container(node, resolve=False)
