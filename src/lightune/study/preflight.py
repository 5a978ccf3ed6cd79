"""Judge the space of a study before its first trial: each end of what is swept, one key at a time.

A value that cannot run by itself refuses the study. What cannot run only beside certain other values is left to
its trial, which fails alone. This module must not import Optuna, torch or Lightning at its top.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from lightune.config.finders import swept_problems
from lightune.config.validate import find_problems, search_problems
from lightune.errors import ConfigError, Problem
from lightune.job.folders import job_config
from lightune.study.agreement import Agreement
from lightune.study.definition.definition import Definition, read_definition
from lightune.study.definition.identity import overrides_of
from lightune.study.definition.settings import Settings
from lightune.study.hydra.composer import Composer
from lightune.study.messages import LIGHTUNE
from lightune.study.space.dimensions import Dimension, typed_key
from lightune.study.space.ends import ends_of
from lightune.study.space.keys import existing_keys, existing_options
from lightune.study.space.space import GRID, Point, Space, interval_in_grid
from lightune.study.storage.credentials import hider_of
from lightune.study.trial_folders import FolderNames, trial_folder

__all__ = ["judged_definition"]

_NO_EFFECT = (
    "has no effect: the configuration is the same whatever its value; remove it, or what sets the key after it"
)
_NOTHING_SEARCHED = (
    "has nothing to search, and would train the same again and again; sweep a key, as "
    "'optimizer.lr=tag(log,interval(1e-4,1e-1))', or seeds, as seed=0,1,2, or leave search= away"
)


def judged_definition(config: DictConfig) -> tuple[Definition, list[Problem]]:
    """Read what a study is; return it with what is wrong with its space.

    Args:
        config: of a multirun, with Hydra's own node.

    Raises:
        ConfigError: if the space itself is not sound.
    """
    loader = GlobalHydra.instance().config_loader()
    arguments = list(map(hider_of(config), overrides_of(config, "task")))
    definition = read_definition(config, loader, arguments)
    settings, space = definition.settings, definition.space
    if not space.is_discrete and str((settings.sampler or {}).get("_target_")) == GRID:
        raise ConfigError([Problem("search", interval_in_grid(space))])
    if not space.dimensions and not definition.is_grid and settings.vocabulary is LIGHTUNE:
        raise ConfigError([Problem("search", _NOTHING_SEARCHED)])
    composer = Composer(loader, config)
    typed = {override.get_key_element() for override in OverridesParser.create().parse_overrides(arguments)}

    def where(dimension: Dimension) -> str:
        key = typed_key(dimension)
        return key if key in typed else settings.vocabulary.key(f"space.{key}")

    problems = list(_enqueue_problems(space, settings, config))
    space, found = existing_options(space, loader, where)
    problems += found
    space, found = existing_keys(space, [end.point for end in ends_of(space)], loader, composer.compose, where)
    problems += found

    root = OmegaConf.select(config, "output_root", throw_on_resolution_failure=False)
    agreement = Agreement(settings.vocabulary, root)
    found_by_trials: list[Problem] = []
    folders = FolderNames(config, partial(trial_folder, composer))
    composed: dict[str, dict[str, str]] = {}  # key → text → what it makes

    def judge(point: Point, *keys: str) -> list[Problem]:
        overrides = space.overrides(point)
        config = composer.compose(overrides)
        folders.add(overrides, point)
        cfg = job_config(config)
        for key in point.keys() & set(keys):
            composed.setdefault(key, {})[point[key]] = OmegaConf.to_yaml(cfg)
        found_by_trials.extend(swept_problems(cfg.get("trainer"), [key.lstrip("+") for key in point]))
        return [*find_problems(cfg), *agreement.add(config, point)]

    base, *others = ends_of(space)
    seen = [(base.point, judge(base.point, *base.keys))]
    alone: list[Problem] = []
    for end in others:
        seen.append((end.point, judge(end.point, *end.keys)))
        alone += [problem for problem in seen[-1][1] if any(_is_about(problem, key) for key in end.keys)]
    about_base = [problem for problem in seen[0][1] if _stays(problem, base.point, seen)]
    idle = [dimension for dimension in space.dimensions if _is_idle(dimension, composed.get(dimension.key, {}))]
    problems += [Problem(where(dimension), _NO_EFFECT) for dimension in idle]
    remarks = (*definition.space.remarks, *agreement.remarks())
    definition = replace(definition, space=replace(definition.space, remarks=remarks))
    problems += dict.fromkeys(found_by_trials)
    return definition, [*problems, *about_base, *alone, *agreement.problems(), *folders.problems()]


def _enqueue_problems(space: Space, settings: Settings, config: DictConfig) -> Iterator[Problem]:
    """Check the points to try first, unless a misspelt key of `search` may be what they stand in."""
    if list(search_problems(config.get("search") or {})):
        return
    for index, point in enumerate(settings.enqueue):
        try:
            space.point_of(point, where=settings.vocabulary.key(f"enqueue[{index}]"))
        except ConfigError as error:
            yield from error.problems


def _stays(problem: Problem, base: Point, seen: list[tuple[Point, list[Problem]]]) -> bool:
    """Return True if a problem of the base is wherever the values that it is about are, whatever else changes."""
    keys = [key for key in base if _is_about(problem, key)]
    return all(problem in found for point, found in seen if all(point.get(key) == base[key] for key in keys))


def _is_idle(dimension: Dimension, composed: Mapping[str, str]) -> bool:
    """Return True if all ends of a dimension were composed, several, and made the same."""
    ends = set(dimension.edges())
    return len(ends) > 1 and composed.keys() >= ends and len(set(composed.values())) == 1


def _is_about(problem: Problem, key: str) -> bool:
    bare = key.lstrip("+")
    return problem.key == bare or problem.key.startswith(f"{bare}.")
