"""Make the metrics of a configuration, the extra ones among them, and try these before anything is written."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torchmetrics import MetricCollection

from lightune.config.extra_metrics import without_direction
from lightune.config.instantiate import Supply, bind, make, naming_key, require
from lightune.errors import ConfigError, Problem
from lightune.metrics.extra import ExtraMetrics
from lightune.metrics.meter import MetricSet, alone

__all__ = ["make_metrics", "try_metrics"]

_ROWS = 8  # of each class, or in all, that metrics are tried on


def make_metrics(node: DictConfig, supply: Supply) -> MetricSet:
    """Make the set of metrics of a configuration.

    Args:
        node: `metrics` of the configuration.
        supply: the values that are not written in the node.

    Raises:
        ConfigError: if a target cannot be imported, is not trusted, or refuses its arguments.
    """
    if not node.get("extra"):
        metrics: MetricSet = make("metrics", node, supply)
        return metrics
    known: dict[str, Any] = {"average": node.average} if node.get("average") is not None else {}
    if classes := supply["num_classes"]() if "num_classes" in supply else 0:
        known |= {"num_classes": classes, "task": "binary" if classes == 2 else "multiclass"}
    elif "num_targets" in supply:
        known["num_outputs"] = supply["num_targets"]()
    extra = {str(name): _factory(f"metrics.extra.{name}", each, known) for name, each in node.extra.items()}
    return make("metrics", node, supply, given={"extra": extra})  # type: ignore[no-any-return]


def _factory(key: str, node: DictConfig, known: Mapping[str, Any]) -> Callable[[], Any]:
    """Return what makes a new metric, with those known arguments that its signature asks for."""
    with naming_key(key):
        is_free = not hasattr(MetricCollection, key.rpartition(".")[2])
        require(is_free, "cannot be the name of a metric, which torchmetrics' collections use themselves")
        bound = bind(OmegaConf.to_container(node, resolve=True, throw_on_missing=True))
        asked = inspect.signature(bound.func).parameters
        given = {name: value for name, value in known.items() if name in asked and name not in bound.keywords}
        for name, value in bound.keywords.items():
            if type(value) is int and name in asked and asked[name].annotation is float:
                given[name] = float(value)  # torchmetrics refuses 2 where it wants 2.0
    return functools.partial(bound, **given)


def try_metrics(cfg: DictConfig, metrics: MetricSet, num_classes: int, num_targets: int) -> None:
    """Measure a few made-up samples with each extra metric, and see that what is followed has a direction.

    Args:
        cfg: the configuration.
        metrics: the set made of it.
        num_classes: of the data; 0 for regression.
        num_targets: of the data, where there are no classes.

    Raises:
        ConfigError: if a metric cannot measure such samples, gives more than one number, or cannot be followed.
    """
    extra = getattr(metrics, "extra", None)
    if not isinstance(extra, ExtraMetrics):
        return
    predictions, targets = _made_up(num_classes, num_targets)
    for name in extra.names:
        with naming_key(f"metrics.extra.{name}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric, inputs = alone(metrics, "val", name)
            kind = type(metric).__name__
            if kind.startswith("Binary") and num_classes > 2:
                rule = f"{kind} is for two classes, and the data have {num_classes}"
                raise ValueError(f"{rule}; choose Multiclass{kind.removeprefix('Binary')}")
            metric.update(*inputs(predictions, targets))
            value = metric.compute()
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            require(shape == (), f"must measure one number, and {kind} gives {_several(shape)}")
    for key, followed, mode in _followed(cfg):
        if followed.partition("/")[2] in extra.names:
            _require_direction(extra, key, followed, mode)


def _several(shape: Any) -> str:
    return f"a tensor of shape {shape}" if isinstance(shape, tuple) else f"a {shape}"


def _made_up(num_classes: int, num_targets: int) -> tuple[Tensor, Tensor]:
    """Return predictions and targets: probabilities of classes that are all there, or positive values."""
    generator = torch.Generator().manual_seed(0)
    if num_classes:
        targets = torch.arange(_ROWS * num_classes) % num_classes
        return torch.rand(len(targets), num_classes, generator=generator).softmax(dim=1), targets
    values = torch.rand(2, 2 * _ROWS, max(1, num_targets), generator=generator) + 0.1
    return values[0], values[1]


def _followed(cfg: DictConfig) -> list[tuple[str, str, str]]:
    """Return key, metric and mode of what a run and its study follow."""
    pairs = [("monitor", cfg.monitor)]
    objectives = OmegaConf.select(cfg, "search.objectives") or []
    pairs += [(f"search.objectives[{index}]", pair) for index, pair in enumerate(objectives)]
    return [(key, str(pair.metric), str(pair.mode)) for key, pair in pairs]


def _require_direction(extra: ExtraMetrics, key: str, followed: str, mode: str) -> None:
    higher = extra.higher_is_better(followed.partition("/")[2])
    if higher is None:
        raise ConfigError([Problem(f"{key}.metric", without_direction(followed))])
    better = "max" if higher else "min"
    if mode != better:
        rule = f"{followed} is better when it is {'higher' if higher else 'lower'}"
        raise ConfigError([Problem(f"{key}.mode", f"must be {better}: {rule}, got {mode}")])
