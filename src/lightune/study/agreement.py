"""See that all trials of a study have the settings that it was read with: one metric, one mode, one space.

Of the jobs of a multirun by another sweeper, see which follow another metric, or divide the data by another seed.

This module must not import Optuna, torch or Lightning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.schema import SEARCH
from lightune.config.static.annotations import show
from lightune.config.static.signatures import TargetNotFoundError, UnreadableTargetError, describe
from lightune.errors import ConfigError, Problem
from lightune.study.definition.definition import Definition
from lightune.study.definition.division import follows_seed
from lightune.study.definition.settings import Objective, Settings
from lightune.study.hydra.composer import Composer
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.space.ends import ends_of
from lightune.study.space.space import Point

__all__ = ["Agreement", "Jobs", "fixed_part", "require_agreement"]

_UNRESOLVED = ("pruner", "sampler")  # what they refer to may differ between trials; the study takes its own
_FIXED = re.compile(r"'(?P<part>hydra[./]\w+)' must be \w+ before the sweep starts.*", re.DOTALL)
_LONGEST = 60
_MOST = 6  # that are told apart
_SAMPLES = ("_target_", "dataset", "path", "target", "labels", "pattern", "classes", "split", "duplicates")
_ROOT = "output_root"  # which holds the study's own folder, and so those of all trials
_EACH = "a study of each compares like with like"
_OF_TRAINING = ("class_weights", "label_smoothing")  # of a loss; validation and test are judged without
_NO_MEASURE = ("extra", "train", "bootstrap")  # of metrics; what they say does not change what a metric is
_NO_DIVISION = ("fused", "resplit")  # of validation; of repeats and swept seeds, whose mean is judged


class Agreement:
    """Collect the settings of trials, and refuse those that differ.

    Args:
        vocabulary: what the settings are called in messages.
        root: below which the study's folder lies, as `output_root`; None if that does not matter.
    """

    def __init__(self, vocabulary: Vocabulary, root: str | None = None) -> None:
        self._vocabulary, self._root = vocabulary, root
        self._seen: dict[str, list[tuple[Any, Point]]] = {}
        self._judged: dict[str, Point] = {}
        self._measured: dict[tuple[str, str], Point] = {}

    def add(self, config: DictConfig, point: Point) -> list[Problem]:
        """Take note of a trial; return what is wrong with its settings by themselves.

        Args:
            config: of the trial, with Hydra's own node.
            point: of the space.
        """
        try:
            settings = Settings.from_config(config)
        except ConfigError as error:
            return list(error.problems)
        if self._vocabulary is LIGHTUNE:
            self._judged.setdefault(_judged_on(config), point)
            for objective in settings.objectives:
                self._measured.setdefault((str(objective.metric), _measure(str(objective.metric), config)), point)
        node = config.hydra.sweeper
        values = {name: getattr(settings, name) for name in ("objectives", "space", "enqueue", *SEARCH)}
        for name in _UNRESOLVED:
            value = OmegaConf.select(config, f"search.{name}") or node.get(name)
            values[name] = OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
        if self._vocabulary is LIGHTUNE:
            values[_ROOT] = OmegaConf.select(config, _ROOT, throw_on_resolution_failure=False)
        for name, value in values.items():
            seen = self._seen.setdefault(name, [])
            if not any(value == other for other, _ in seen):
                seen.append((value, point))
        return []

    def problems(self) -> Iterator[Problem]:
        """Yield each setting that trials have differently, with the values and what brings them."""
        for name, seen in self._seen.items():
            if name == _ROOT and len(seen) == 1 and seen[0][0] and self._root not in (None, seen[0][0]):
                rule = f"is {self._root} for the study, whose trials lie in its folder, and {seen[0][0]} for them"
                yield Problem(_ROOT, f"{rule}; set it on the command line, and do not sweep what sets it")
            if len(seen) > 1:
                points = [point for _, point in seen]
                keys = _differing(points)
                given = [f"{_shown(name, value)} with {_named(point, keys)}" for value, point in seen]
                rule = f"must be the same for all trials of a study, got {', '.join(given)}"
                yield Problem(self._key(name), f"{rule}; {self._advice(name)}")

    def remarks(self) -> Iterator[str]:
        """Yield a line if trials are judged on different samples, and one for each metric of several meanings."""
        if several := _several(list(self._judged.values())):
            yield f"trials are judged on different samples, of which some may be easier: {several}; {_EACH}"
        for metric in dict.fromkeys(metric for metric, _ in self._measured):
            points = [point for (name, _), point in self._measured.items() if name == metric]
            if several := _several(points):
                rule = f"{metric} is not the same measure in all trials, whose figures cannot be compared"
                yield f"{rule}: {several}; judge by one that is, or make a study of each"

    def _key(self, name: str) -> str:
        if name == _ROOT:
            return name
        if name != "objectives":
            return self._vocabulary.key(name)
        return "monitor" if self._vocabulary is LIGHTUNE else self._vocabulary.key("metric")

    def _advice(self, name: str) -> str:
        if name == "objectives":
            keys = "monitor.metric and monitor.mode" if self._vocabulary is LIGHTUNE else "metric and mode"
            return f"make a study of each, or set {keys} to what all of them measure"
        if name == "space":
            return "make a study of each, or write one space, with a condition (when:) where a key is searched"
        return f"make a study of each, or set {self._key(name)} once, on the command line"


def require_agreement(definition: Definition, config: DictConfig, loader: ConfigLoader) -> None:
    """Refuse a study whose trials have other settings than it, in an application that has not judged it before.

    What else cannot be composed is left to its trial, which fails alone.

    Args:
        definition: of the study.
        config: of the multirun, with Hydra's own node.
        loader: composes trials.

    Raises:
        ConfigError: with each setting that trials have differently, or that is wrong in one.
    """
    agreement, composer = Agreement(definition.settings.vocabulary), Composer(loader, config)
    problems: list[Problem] = []
    fixed: list[Problem] = []
    for end in ends_of(definition.space):
        try:
            trial = composer.compose(definition.space.overrides(end.point))
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            fixed += fixed_part(error)
            continue
        problems += agreement.add(trial, end.point)
    if fixed and not _is_changed(loader, config):
        problems += fixed
    if problems := list(dict.fromkeys([*problems, *agreement.problems()])):
        raise ConfigError(problems)


def _is_changed(loader: ConfigLoader, config: DictConfig) -> bool:
    """Return True if a callback has set what all jobs have, so that no job is composed as it is, swept or not."""
    try:
        loader.load_sweep_config(config, [])
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        return bool(fixed_part(error))
    return False


def fixed_part(error: Exception) -> list[Problem]:
    """Return what is wrong with a job that chooses or sets what all have; nothing if it is something else.

    Args:
        error: of composing the job.
    """
    found = _FIXED.fullmatch(str(error)) if isinstance(error, HydraException) else None
    if found is None:
        return []
    rule = "is one for all jobs, and what is swept sets it otherwise"
    return [Problem(found["part"], f"{rule}; set it on the command line, or in a file that is not swept")]


class Jobs:
    """Collect what the jobs of a multirun by another sweeper are judged by, with the first that brings it."""

    def __init__(self) -> None:
        self._followed: dict[Objective, Sequence[str]] = {}
        self._divided: dict[int, Sequence[str]] = {}

    def add(self, cfg: DictConfig, overrides: Sequence[str]) -> None:
        """Take note of a job.

        Args:
            cfg: its configuration, without Hydra's own node.
            overrides: of the job.
        """
        metric, mode = (OmegaConf.select(cfg, f"monitor.{key}") for key in ("metric", "mode"))
        if metric and mode:  # else it is refused for that
            self._followed.setdefault(Objective(metric, mode), tuple(overrides))
        seed = cfg.get("seed")
        if isinstance(seed, int) and follows_seed(cfg):
            self._divided.setdefault(seed, tuple(overrides))

    @property
    def metrics(self) -> str:
        """Each metric and mode with the overrides that bring it; empty where all jobs have the same."""
        return _told_apart({_objective(one): lines for one, lines in self._followed.items()})

    @property
    def divisions(self) -> str:
        """Each seed that divides the data with the overrides that bring it; empty where one divides for all."""
        return _told_apart({f"seed {one}": lines for one, lines in self._divided.items()})


def _told_apart(seen: Mapping[str, Sequence[str]]) -> str:
    """Return what was seen, if it is several things, each with the overrides that not all have."""
    if len(seen) < 2:
        return ""
    shared = set.intersection(*map(set, seen.values()))
    shown = [f"{one} with {' '.join(line for line in lines if line not in shared)}" for one, lines in seen.items()]
    return ", ".join(shown[:_MOST]) + (", …" if len(shown) > _MOST else "")


def _judged_on(config: DictConfig) -> str:
    """Return, as text, which samples there are and how they are divided."""
    data, validation = (_plain(config.get(group)) for group in ("data", "validation"))
    samples = {key: data[key] for key in _SAMPLES if key in data}
    division = {key: value for key, value in validation.items() if key not in _NO_DIVISION}
    return repr((samples, division))


def _measure(metric: str, config: DictConfig) -> str:
    """Return, as text, what decides what a metric means: its loss, or its own settings."""
    stage, _, name = metric.rpartition("/")
    if not str(_plain(config.get("task")).get("_target_")).startswith("lightune."):
        return ""  # a task of one's own says itself what it logs
    data, metrics, loss = (_plain(config.get(group)) for group in ("data", "metrics", "loss"))
    if name == "loss":
        for key in _OF_TRAINING if stage != "train" else ():
            loss.pop(key, None)
        return repr((loss, data.get("target_scaling")))
    extra = metrics.get("extra")
    if isinstance(extra, dict) and name in extra:
        return repr((extra[name], data.get("pos_label")))
    if name not in ("accuracy", *_names_of(str(metrics.get("_target_")))):
        return ""  # the time, or the number of parameters
    own = {key: value for key, value in metrics.items() if key not in _NO_MEASURE}
    if name == "accuracy":
        return repr(own.get("_target_"))
    return repr(own) if name == "auroc" else repr((own, data.get("pos_label")))


def _names_of(target: str) -> tuple[str, ...]:
    """Return the names of the metrics in a set, as its class says them."""
    with suppress(TargetNotFoundError, UnreadableTargetError):
        return tuple(describe(target).constants.get("names", ()))
    return ()


def _several(points: list[Point]) -> str:
    """Name points by what differs between them, up to some; nothing if there is one."""
    if len(points) < 2:
        return ""
    shown = [_named(point, _differing(points)) for point in points[:_MOST]]
    return f"{', '.join(shown)}{', …' if len(points) > _MOST else ''}"


def _plain(node: Any) -> dict[Any, Any]:
    plain = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else None
    return plain if isinstance(plain, dict) else {}


def _differing(points: list[Point]) -> list[str]:
    """Return the keys whose values are not the same in all points."""
    keys = dict.fromkeys(key for point in points for key in point)
    return [key for key in keys if len({point.get(key) for point in points}) > 1]


def _named(point: Point, keys: list[str]) -> str:
    return " ".join(f"{key}={point[key]}" for key in keys if key in point)


def _shown(name: str, value: Any) -> str:
    if name == "storage":
        return "one" if value else "none"  # it may hold a password
    if name == "objectives":
        return " and ".join(map(_objective, value))
    text = ", ".join(f"{key}: {each}" for key, each in value.items()) if isinstance(value, dict) else show(value)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text or "none"


def _objective(objective: Objective) -> str:
    return f"{objective.metric} ({objective.mode})"
