"""Which study a command means: its overrides without those that only say how much and where.

This module must not import Optuna, torch or Lightning.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from omegaconf import DictConfig, OmegaConf

from lightune.config.schema import SEARCH_OF_RUNS
from lightune.paths import expanded, is_plain_name

__all__ = [
    "HOW_FAR",
    "WHAT_IS_LEFT",
    "differences",
    "folder_name",
    "identity_of",
    "overrides_of",
    "register_resolvers",
    "study_name",
]

_HOW_MUCH = (
    "n_trials",
    "n_jobs",
    "timeout",
    "storage",
    "study",
    "max_failures",
    "retries",
    "changed_code",
    "report",
    "keep_checkpoints",
)
WHAT_IS_LEFT = (*(f"search.{key}" for key in SEARCH_OF_RUNS), "callbacks.checkpoint.keep")
"""Keys that say which files a run leaves: later trials of a study follow them as they are typed then."""
_WHERE = ("gpus_per_job", "jobs_per_gpu", "fused_width")
HOW_FAR = tuple(name for name in (*_HOW_MUCH, *_WHERE) if name not in ("study", "storage"))
"""Settings that a study may be given anew whenever it goes on."""
_QUIET_KEYS = {
    "output_root",
    "note",
    *WHAT_IS_LEFT,
    *(f"{node}.{key}" for node in ("search", "hydra.sweeper") for key in (*_HOW_MUCH, *_WHERE)),
    "hydra.sweeper.max_batch_size",
    "hydra/launcher",
    "hydra.verbose",
    "hydra.mode",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.searchpath",
}
_LONGEST_NAME = 60


def overrides_of(config: DictConfig, kind: Literal["hydra", "task"]) -> list[str]:
    """Return the overrides of a command as they were typed; what refers to the environment stays a reference.

    Args:
        config: as Hydra composed it, with its own node.
        kind: those of Hydra, or those of the task.
    """
    lines = OmegaConf.to_container(config.hydra.overrides[kind], resolve=False)
    assert isinstance(lines, list)
    return [str(line) for line in lines]


def identity_of(config: DictConfig) -> dict[str, str]:
    """Return key → override of all that makes a study the study that it is.

    The order of the keys is that of the command line and of no account, but where a mapping follows what it may
    change: there the key tells it.

    Args:
        config: as Hydra composed it, with its own node.
    """
    lines = [*overrides_of(config, "hydra"), *overrides_of(config, "task")]
    identity = {"--config-name": str(config.hydra.job.config_name)}
    mappings: set[str] = set()
    for line, parsed in zip(lines, OverridesParser.create().parse_overrides(lines), strict=True):
        key = parsed.get_key_element()
        bare = key.lstrip("+")
        if bare in _QUIET_KEYS or bare.startswith(("hydra.launcher.", "hydra.sweep.")):
            continue
        if parsed.is_list_extend():
            key = f"{key} ({sum(k.startswith(key) for k in identity) + 1})"
        elif _has_mapping(parsed):
            changed = [
                k for k in identity if k.lstrip("+") == bare or k.lstrip("+").startswith((f"{bare}.", f"{bare} "))
            ]
            key = f"{key} (after {', '.join(changed)})" if changed else key
            mappings.add(key)
        elif key in mappings:
            key = f"{key} (after a mapping)"
        identity[key] = line
    return identity


def _has_mapping(override: Override) -> bool:
    value = override.value()
    return any(isinstance(each, dict) for each in (value.list if isinstance(value, ChoiceSweep) else [value]))


def differences(began: dict[str, str], asked: dict[str, str]) -> list[str]:
    """Return lines on what differs from the identity that a study began with; none if nothing does."""
    lines = [f"- {began[key]}" for key in began if key not in asked]
    lines += [f"+ {asked[key]}" for key in asked if key not in began]
    changed = [key for key in began if key in asked and began[key] != asked[key]]
    return [*lines, *(f"- {began[key]}   + {asked[key]}" for key in changed)]


def study_name(name: str, identity: dict[str, str], space: Sequence[str] = ()) -> str:
    """Return a name that one can read and that only this study has: its swept keys and a short hash.

    Args:
        name: of its runs.
        identity: as `identity_of` returns it.
        space: keys that are swept in YAML.
    """
    lines = sorted(f"{key} {line}" for key, line in identity.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
    parsed = OverridesParser.create().parse_overrides(
        [line for key, line in identity.items() if not key.startswith("--")]
    )
    swept = [override.key_or_group for override in parsed if override.is_sweep_override()]
    keys = [key.rpartition(".")[2] for key in [*swept, *space]]
    parts = [re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-") for key in dict.fromkeys(keys)]
    readable = "_".join([name, *filter(None, parts)])[:_LONGEST_NAME]
    return f"{readable}_{digest}"


def folder_name(config: DictConfig) -> str:
    """Return the name of a study's folder: `search.study`, or one made of its overrides."""
    named = OmegaConf.select(config, "search.study")
    if isinstance(named, str) and is_plain_name(named):
        return named
    space = OmegaConf.select(config, "search.space")
    keys = [str(key) for key in space] if isinstance(space, DictConfig) else []
    return study_name(str(OmegaConf.select(config, "name") or "study"), identity_of(config), keys)


def _resolve(stamp: str, *, _root_: Any) -> str:
    if str(OmegaConf.select(_root_, "hydra.sweeper._target_")).startswith("hydra_plugins.hydra_lightune."):
        return folder_name(_root_)
    return f"{OmegaConf.select(_root_, 'name')}_{stamp}"


def register_resolvers() -> None:
    """Register what `conf/train.yaml` calls.

    `${lightune.study:${now:…}}` is a study's folder name; for other sweepers, one with the stamp.
    `${lightune.home:PATH}` is a path with a home folder in place of its `~`.
    """
    OmegaConf.register_resolver("lightune.home", expanded, replace=True, annotation_validation="off")
    OmegaConf.register_resolver("lightune.study", _resolve, replace=True, annotation_validation="off")
