"""Find everything that is wrong with a composed configuration, before anything is imported or written.

This module must not import torch or Lightning: it reads signatures from source text.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config import consistency, schema
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.static.signatures import (
    Target,
    describe,
)
from lightune.config.targets import TargetCheck
from lightune.config.values import BROKEN, value_problems
from lightune.errors import ConfigError, Problem
from lightune.paths import expanded, is_plain_name
from lightune.private_api.omegaconf import root_of, text_of
from lightune.secrets import names_behind

__all__ = ["THE_FILE", "find_problems", "search_problems", "validate"]

log = logging.getLogger(__name__)

_KEEP_CHECKPOINTS = re.compile(r"all|none|best:[1-9][0-9]*")
_PLAIN_INTERPOLATION = re.compile(r"\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}")
THE_FILE = "the file that says so"
"""In messages, in the place of the name of a file, which a configuration alone does not tell."""
_HEADER = f"{THE_FILE} must have `# @package _global_` as its first line, and no byte order mark"


def validate(cfg: DictConfig) -> None:
    """Refuse a configuration that cannot run.

    Args:
        cfg: as composed, without Hydra's own node.

    Raises:
        ConfigError: with all problems at once.
    """
    problems = find_problems(cfg)
    if problems:
        raise ConfigError(problems)


def find_problems(cfg: DictConfig, *, describe: Callable[[str], Target] = describe) -> list[Problem]:
    """Return every problem of a configuration, in the order of its keys; none if it can run.

    Args:
        cfg: as composed, without Hydra's own node.
        describe: reads a target; one that remembers saves time where many configurations are judged.
    """
    problems: list[Problem] = []
    tree = _plain(cfg, "", problems)
    problems += _root_problems(tree)
    for name in sorted(names_behind(cfg, "name")):
        rule = f"must not hold a value from the environment ({name}): it names a folder"
        problems.append(Problem("name", f"{rule}; say it in output_root instead"))
    targets: dict[str, Target] = {}
    for group in schema.GROUPS:
        node = tree.get(group)
        if isinstance(node, dict):
            problems += TargetCheck(group, describe, str(tree.get("output_root")), targets).node(group, node)
    problems += consistency.find_problems(tree, targets)
    return list(dict.fromkeys(problems))


def _plain(node: Container, path: str, problems: list[Problem]) -> Any:
    """Resolve a tree leaf by leaf; what cannot be resolved becomes a problem and BROKEN."""
    keys: Any = list(node) if isinstance(node, DictConfig) else range(len(cast(ListConfig, node)))
    values = [_plain_leaf(node, key, f"{path}.{key}".lstrip("."), problems) for key in keys]
    return values if isinstance(node, ListConfig) else dict(zip(map(str, keys), values, strict=True))


def _plain_leaf(parent: Container, key: Any, path: str, problems: list[Problem]) -> Any:
    if OmegaConf.is_missing(parent, key):
        problems.append(Problem(path, "is mandatory and has no value; set it"))
        return BROKEN
    try:
        value = _value(parent, key)
    except (OmegaConfBaseException, ValueError) as error:
        problems.append(Problem(path, f"cannot be resolved: {str(error).splitlines()[0]}"))
        return BROKEN
    return _plain(value, path, problems) if isinstance(value, Container) else value


def _value(parent: Container, key: Any) -> Any:
    """Return a value; `${a.b}` is looked up without OmegaConf's grammar, which takes most of the time."""
    written = str(text_of(parent, key)) if OmegaConf.is_interpolation(parent, key) else ""
    plain = _PLAIN_INTERPOLATION.fullmatch(written)
    found = OmegaConf.select(root_of(parent), plain[1]) if plain else None
    return parent[key] if found is None else found


def _root_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    for key, annotation in schema.ROOT.items():
        yield from value_problems(key, tree.get(key), annotation, building=False)
    name, root = tree.get("name"), tree.get("output_root")
    if isinstance(name, str) and not is_plain_name(name):
        rule = "must be one plain folder name (letters, digits, ._+=-)"
        yield Problem("name", f"{rule}, got {show(name)}; output_root says where runs go")
    if isinstance(root, str) and root.startswith("~") and expanded(root) == root:
        yield Problem("output_root", f"names the home folder of nobody here, got {root}; write the whole path")
    if root == "":
        yield Problem("output_root", "must be a folder, got ''")
    monitor = tree.get("monitor")
    if monitor is BROKEN:
        pass
    elif not isinstance(monitor, dict):
        yield Problem("monitor", f"must be a mapping with metric and mode, got {show(monitor)}")
    else:
        for key, annotation in schema.MONITOR.items():
            yield from value_problems(f"monitor.{key}", monitor.get(key), annotation, building=False)
        for key in monitor.keys() - schema.MONITOR.keys():
            yield Problem(f"monitor.{key}", "is no key of monitor; it has metric and mode")
    search = tree.get("search", {})
    if isinstance(search, dict):
        yield from search_problems(search)
    elif search is not BROKEN:
        yield Problem("search", f"must be a mapping, got {show(search)}; choose an option of the group")
    known = [*schema.ROOT, "monitor", *schema.GROUPS, "search"]
    for key in tree:
        if key not in known:
            hint = f" {_HEADER}" if key == "experiment" else did_you_mean(key, known)
            yield Problem(key, f"is no root key{';' + hint if hint else ''} (there are {', '.join(known)})")
    for group in (*schema.GROUPS, "search"):
        node = tree.get(group)
        inside = [key for key in ("monitor", group) if isinstance(node, dict) and isinstance(node.get(key), dict)]
        if inside:
            yield Problem(group, f"holds keys of the root ({', '.join(inside)}); {_HEADER}")
    for group in schema.GROUPS:
        if group in schema.OPTIONAL_GROUPS and group not in tree:
            continue
        if not isinstance(tree.get(group), dict) and tree.get(group) is not BROKEN:
            yield Problem(group, f"must be a mapping, got {show(tree.get(group))}; choose an option of the group")


def search_problems(search: Mapping[str, Any], path: str = "search") -> Iterator[Problem]:
    """Check the keys of `search`, as far as one value can be wrong by itself.

    Args:
        search: key → value; keys may be missing.
        path: where it stands, for messages.
    """
    plain = {**schema.SEARCH, **schema.SEARCH_OF_RUNS}
    known = [*plain, *schema.SEARCH_NODES]
    for key, value in search.items():
        if key in plain:
            yield from value_problems(f"{path}.{key}", value, plain[key])
        elif key not in known:
            hint = did_you_mean(key, known)
            yield Problem(f"{path}.{key}", f"is no key of search;{hint} (it has {', '.join(known)})")
    keep = search.get("keep_checkpoints")
    if isinstance(keep, str) and not _KEEP_CHECKPOINTS.fullmatch(keep):
        rule = "must be all, none, or best:K for those of the best K trials, as best:3"
        yield Problem(f"{path}.keep_checkpoints", f"{rule}, got {show(keep)}")
    name = search.get("study")
    if isinstance(name, str) and not is_plain_name(name):
        rule = "must be one plain folder name (letters, digits, ._+=-)"
        yield Problem(f"{path}.study", f"{rule}, got {show(name)}")
