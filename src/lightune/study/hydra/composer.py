"""Compose the configurations of many trials that differ in little.

Composing from files takes Hydra many times as long as setting a value. What trials share, groups above all, is
composed once and kept packed; the values are then set on a copy, by Hydra's own code, with the same result and the
same errors.
"""

import copy
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import Container, DictConfig, OmegaConf, open_dict, read_write

from lightune.private_api.hydra import apply_overrides, is_files_loader, names_a_group
from lightune.private_api.omegaconf import attach, dumper, holding, node_of, plain_unresolved

__all__ = ["Composer", "Composition", "PackedConfig", "filled_in", "section_text"]

_PROTOCOL = pickle.HIGHEST_PROTOCOL


@dataclass(frozen=True)
class Composition:
    """The configuration of a trial, as a job needs it.

    Args:
        whole: with Hydra's own node.
        task: without it.
        hydra: with nothing else; its node may be that of the whole.
        base: what it was made of, which trials share that differ in values only.
    """

    whole: DictConfig
    task: DictConfig
    hydra: DictConfig
    base: "PackedConfig"

    @property
    def texts(self) -> dict[str, str]:
        """Hydra's own node in YAML, section → text, before it was told which job it is of."""
        return self.base.texts

    @property
    def is_shared(self) -> bool:
        """Whether Hydra's own node is one object in the whole and alone."""
        return node_of(self.whole, "hydra") is node_of(self.hydra, "hydra")


class Composer:
    """Compose trials of a multirun.

    Args:
        loader: reads the configuration files; they must not change meanwhile.
        config: of the multirun.
        most_kept: compositions from files that are kept, > 0; the least recently used is forgotten.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig, *, most_kept: int = 64) -> None:
        self._loader, self._config, self._most_kept = loader, config, most_kept
        self._kept: OrderedDict[tuple[str, ...], PackedConfig] = OrderedDict()
        self._is_group: dict[str, bool] = {}

    def compose(self, lines: Sequence[str]) -> DictConfig:
        """Return what `load_sweep_config` would return for the overrides of a trial."""
        packed, values = self._base(lines)
        cfg: DictConfig = pickle.loads(packed.whole)
        self._set(cfg, values, lines)
        return cfg

    def compose_for_job(self, lines: Sequence[str]) -> Composition:
        """Return the same, ready for a job."""
        packed, values = self._base(lines)
        whole, task = pickle.loads(packed.whole), pickle.loads(packed.task)
        self._set(whole, values, lines)
        apply_overrides(values, task)
        OmegaConf.copy_cache(from_config=whole, to_config=task)
        return Composition(whole, task, _hydra_of(whole), packed)

    def _set(self, cfg: DictConfig, values: list[Override], lines: Sequence[str]) -> None:
        apply_overrides(values, cfg)
        cfg.hydra.overrides.task = list(lines)
        OmegaConf.copy_cache(from_config=self._config, to_config=cfg)

    def _base(self, lines: Sequence[str]) -> tuple["PackedConfig", list[Override]]:
        """Return what is kept of a trial's configuration, and what is to be set on it."""
        parsed = [_parsed(line) for line in lines]
        values = [override for override in parsed if self._is_value(override)]
        rest = [override for override in parsed if not self._is_value(override)]
        if not is_files_loader(self._loader) or _touch(rest, values):
            return PackedConfig(self._loader.load_sweep_config(self._config, list(lines))), []
        key = tuple(str(override.input_line) for override in rest)
        if key not in self._kept:
            self._kept[key] = PackedConfig(self._loader.load_sweep_config(self._config, list(key)))
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key], values

    def _is_value(self, override: Override) -> bool:
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and not override.is_value_path
        if not plain or "/" in key or override.is_hydra_override():
            return False
        if not is_files_loader(self._loader):
            return False
        if key not in self._is_group:
            self._is_group[key] = names_a_group(self._loader, key)
        return not self._is_group[key] or isinstance(override.value(), dict)  # which sets keys of the option


class PackedConfig:
    """A composed configuration as bytes, of which copies are made faster than of the object.

    Args:
        cfg: as `load_sweep_config` returns it.
    """

    def __init__(self, cfg: DictConfig) -> None:
        task = copy.deepcopy(cfg)
        with read_write(task), open_dict(task):
            del task["hydra"]
        self.whole, self.task = (pickle.dumps(each, _PROTOCOL) for each in (cfg, task))
        self.texts = {str(name): section_text(cfg, str(name)) for name in cfg.hydra}


def _hydra_of(whole: DictConfig) -> DictConfig:
    """Return Hydra's own node as `HydraConfig` holds it, able to refer to what the task's part of the whole says.

    It is shared with the whole unless a job changes it, which resolving environment settings does.
    """
    changes = bool(whole.hydra.job.env_set)
    hydra = OmegaConf.masked_copy(whole, "hydra") if changes else holding("hydra", whole)
    attach(hydra.hydra, whole)
    return hydra


def section_text(hydra: DictConfig, name: str) -> str:
    """Return a section of Hydra's own node in YAML, as it stands in the whole."""
    node = node_of(hydra.hydra, name)
    if not isinstance(node, Container):
        text = OmegaConf.to_yaml(OmegaConf.create({"hydra": OmegaConf.masked_copy(hydra.hydra, name)}))
        return text.removeprefix("hydra:\n")
    # what `OmegaConf.to_yaml` does, without a copy
    return _yaml({name: plain_unresolved(node)})


def filled_in(text: str, section: str, values: Mapping[str, Any]) -> str | None:
    """Write values into a section's text where it says that they are missing; None if it does not say so.

    Args:
        text: as `section_text` returns it.
        section: its name.
        values: key → plain value.
    """
    for key, value in values.items():
        missing = f"\n    {key}: ???\n"
        if text.count(missing) != 1:
            return None
        line = _yaml({section: {key: value}}).removeprefix(f"  {section}:\n")
        text = text.replace(missing, f"\n{line}")
    return text


def _yaml(hydra: dict[str, Any]) -> str:
    style = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
    text = yaml.dump({"hydra": hydra}, Dumper=dumper(), **style)
    return str(text).removeprefix("hydra:\n")


@cache
def _parsed(line: str) -> Override:
    return OverridesParser.create().parse_override(line)


def _touch(rest: Sequence[Override], values: Sequence[Override]) -> bool:
    """Tell whether the order of two overrides could matter: one of them lies in, or is, what the other changes."""
    inner = [o.key_or_group for o in rest if o.type != OverrideType.CHANGE or o.is_value_path]
    for one in inner:
        for other in (value.key_or_group for value in values):
            if (
                one == other
                or one.startswith((f"{other}.", f"{other}["))
                or other.startswith((f"{one}.", f"{one}["))
            ):
                return True
    return any(override.is_hydra_override() for override in rest)
