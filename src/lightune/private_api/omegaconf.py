"""OmegaConf's private names that lightune needs.

This module must not import Optuna, torch or Lightning. OmegaConf's public way to the text of an interpolation is
`to_container(resolve=False)` of its whole parent, and each public way to a part of a configuration copies it: too
slow where thousands of trials are composed.
"""

from collections.abc import Iterator
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper
from omegaconf.basecontainer import BaseContainer

__all__ = [
    "attach",
    "dumper",
    "holding",
    "keep",
    "kept",
    "leaf_values",
    "node_of",
    "plain_unresolved",
    "root_of",
    "text_of",
]


def text_of(parent: Container, key: Any) -> Any:
    """Return a value as it is written, an interpolation as its text.

    For: saving what comes from the environment as an expression. Without it: slower, by a copy of the parent.
    """
    node = parent._get_node(key)
    return None if node is None else node._value()  # type: ignore[union-attr]


def node_of(parent: Container, key: Any) -> Any:
    """Return the node below a key, unresolved.

    For: comparing and sharing nodes. Without it: a copy is made where one object serves.
    """
    return parent._get_node(key)


def root_of(node: Container) -> DictConfig:
    """Return the whole configuration that a node belongs to.

    For: looking an interpolation up without OmegaConf's grammar. Without it: a refusal takes five times as long.
    """
    root = node._get_root()
    assert isinstance(root, DictConfig)
    return root


def leaf_values(cfg: Container) -> Iterator[Any]:
    """Yield each plain value of the whole tree that a node belongs to, as written, without resolving anything.

    For: knowing quickly that a configuration asks nothing of the environment. Without it: 20 ms a trial.
    """
    nodes: list[Any] = [cfg._get_root()]
    while nodes:
        node = nodes.pop()
        content = node._content if isinstance(node, Container) else node._val
        if isinstance(content, dict):
            nodes.extend(content.values())
        elif isinstance(content, list):
            nodes.extend(content)
        else:
            yield content


def holding(name: str, whole: DictConfig) -> DictConfig:
    """Return a configuration with one node of another, which is shared, not copied.

    For: `HydraConfig`, which holds Hydra's own node alone. Without it: two copies of that node a trial.
    """
    cfg = OmegaConf.create(flags={"no_deepcopy_set_nodes": True})
    cfg._set_item_impl(name, whole._get_node(name))
    cfg._set_flag("no_deepcopy_set_nodes", None)
    return cfg


def attach(node: Container, parent: Container) -> None:
    """Let the interpolations of a node be resolved below another parent.

    For: Hydra's own node, whose interpolations name the task's keys. Without it: they cannot be resolved.
    """
    node._set_parent(parent)


def plain_unresolved(node: Container) -> Any:
    """Return a node as plain values, interpolations and missing values as they are written, without a copy.

    For: `hydra.yaml`, of which a trial changes three lines. Without it: what Hydra takes, 10 ms a trial.
    """
    return BaseContainer._to_content(
        node, resolve=False, throw_on_missing=False, enum_to_str=True, encode_missing_literals=True
    )


def dumper() -> Any:
    """Return the YAML dumper that `OmegaConf.to_yaml` uses, which quotes what would be read as another type.

    For: the same. Without it: `hydra.yaml` would differ from what Hydra writes.
    """
    return get_omega_conf_dumper()


def keep(cfg: DictConfig, name: str, value: Any) -> None:
    """Keep something beside a configuration, which its copies have, too, and which is no key of it.

    For: knowing what a configuration was composed of. Without it: no study could be made of the same words.
    """
    setattr(cfg._metadata, name, value)


def kept(cfg: DictConfig, name: str) -> Any:
    """Return what `keep` has kept beside a configuration; None if that is nothing."""
    return getattr(cfg._metadata, name, None)
