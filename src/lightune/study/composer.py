"""Compose the configurations of many trials that differ in little.

Composing from files takes Hydra many times as long as setting a value. What trials share, groups above all, is
composed once; the values are then set on a copy, by Hydra's own code, with the same result and the same errors.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

__all__ = ["Composer"]

_MOST_KEPT = 64


class Composer:
    """Compose trials of a multirun.

    Args:
        loader: reads the configuration files; they must not change meanwhile.
        config: of the multirun.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader, self._config = loader, config
        self._kept: OrderedDict[tuple[str, ...], DictConfig] = OrderedDict()

    def compose(self, lines: Sequence[str]) -> DictConfig:
        """Return what `load_sweep_config` would return for the overrides of a trial."""
        parsed = OverridesParser.create().parse_overrides(list(lines))
        values = [override for override in parsed if self._is_value(override)]
        rest = [override for override in parsed if not self._is_value(override)]
        if not isinstance(self._loader, ConfigLoaderImpl) or _touch(rest, values):
            return self._loader.load_sweep_config(self._config, list(lines))
        cfg = copy.deepcopy(self._base(tuple(str(override.input_line) for override in rest)))
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        cfg.hydra.overrides.task = list(lines)
        OmegaConf.copy_cache(from_config=self._config, to_config=cfg)
        return cfg

    def _is_value(self, override: Override) -> bool:
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and not override.is_value_path
        if not plain or "/" in key or override.is_hydra_override():
            return False
        return isinstance(self._loader, ConfigLoaderImpl) and not self._loader.repository.group_exists(key)

    def _base(self, lines: tuple[str, ...]) -> DictConfig:
        if lines not in self._kept:
            self._kept[lines] = self._loader.load_sweep_config(self._config, list(lines))
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(lines)
        return self._kept[lines]


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
