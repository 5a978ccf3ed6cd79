"""`lightune explain STUDY`: what each change from the default to the best bought, and what pruning cost.

What has to be trained for that is a study of its own, in `STUDY/explain/`: it goes on after anything.
This module must not import torch or Lightning, nor Optuna at its top.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from lightune.config.composing import composing
from lightune.config.override_text import bare_key, value_of_text, value_text
from lightune.config.words import Words
from lightune.errors import ConfigError, Problem
from lightune.paths import FROM
from lightune.report.ablation import (
    SEED,
    DefaultOf,
    Plan,
    Point,
    are_alike,
    effects_of,
    plan_of,
    pruned_of,
    total_of,
)
from lightune.report.analysis import analyse
from lightune.report.explained import COLUMNS, FOLDER, Explanation, keep_explanation
from lightune.report.fixed_words import fixed_lines
from lightune.report.study_data import StudyData, read_study
from lightune.runtime.plain_text import say
from lightune.study.outputs.command import THE_COMMAND, words_of
from lightune.study.space.dimensions import typed_key
from lightune.wording import counted

__all__ = ["OF_STUDIES", "PRUNED", "SEEDS", "explain_study", "print_explanation"]

_TRAINED = "trained"
_NEVER_KEPT = (
    "search",
    "search.pruner",
    "search.study",
    "search.space",
    "search.n_trials",
    "search.timeout",
    "search.seed",
    "search.enqueue",
    "hydra/sweeper/sampler",
    "hydra.sweep.dir",
)
SEEDS, PRUNED = 3, 8
OF_STUDIES = ("seeds", "pruned")
"""Options of `lightune explain` that are for studies."""
_OF_INPUTS = ("input", "metric", "repeats", "samples", "device")
_ABSENT = object()


def explain_study(options: argparse.Namespace, folder: Path) -> None:
    """Train what is needed, and say what was found and where it is.

    Args:
        options: as `lightune explain` declares them.
        folder: the study's.

    Raises:
        ConfigError: if it cannot be explained; nothing was written.
    """
    if misplaced := [name for name in _OF_INPUTS if getattr(options, name) is not None]:
        raise ConfigError([Problem(f"--{name}", "is for --inputs; leave it out") for name in misplaced])
    study = read_study(folder)
    words = words_of(folder, study.spec)
    if words is None:
        rule = f"cannot be trained again from here: {THE_COMMAND} cannot be told"
        raise ConfigError([Problem(str(folder), rule)])
    fixed = [line for line in fixed_lines(words.overrides) if not _is_replaced(line)]
    flags = dict(zip(words.flags[::2], words.flags[1::2], strict=True))
    if set(flags) - {"--config-dir"}:
        rule = f"was begun with {', '.join(sorted(set(flags) - {'--config-dir'}))}, which cannot be explained yet"
        raise ConfigError([Problem(str(folder), rule)])
    if begun := [line for line in fixed if line.startswith(f"{FROM}=")]:
        rule = f"was begun with {begun[0]}, whose configuration is its base, which cannot be explained yet"
        raise ConfigError([Problem(str(folder), f"{rule}; explain the study that {begun[0]} names")])
    config_dir = flags.get("--config-dir")
    defaults, first = _defaults(fixed, config_dir)
    count = options.seeds or SEEDS
    # those of the study made its best the best, which flatters it
    fresh = max([first, *(number for trial in study.trials if (number := trial.run.seed) is not None)]) + 1
    seeds = range(fresh, fresh + count)
    finished = PRUNED if options.pruned is None else options.pruned
    plan = plan_of(study, defaults, seeds=seeds, seed=first, pruned=finished)
    if words.withheld:
        say(f"without {', '.join(words.withheld)}, which only whoever types it can vouch for", error=True)
    say(_announced(plan), error=True)
    conditions = {typed_key(each): each.when for each in study.searched if each.when}
    trained = read_study(_train(plan, fixed, config_dir, folder / FOLDER / _TRAINED, conditions))
    value_of = _values_in(trained)
    explanation = Explanation(
        study.best[0].number,
        study.metric,
        tuple(effects_of(plan, value_of, mode=study.mode, seeds=seeds)),
        total_of(plan, value_of, mode=study.mode, seeds=seeds) if plan.changes else None,
        pruned_of(study, plan, value_of),
        plan.alike,
        words.withheld,
    )
    keep_explanation(folder, explanation)
    _renew_page(folder)
    if options.json:
        print(json.dumps({"study": str(study.folder), **explanation.plain()}, indent=2))
    else:
        print_explanation(explanation, study)
    say(f"all of it is in {folder / FOLDER}; lightune show and lightune report show it, too", error=True)


def _renew_page(folder: Path) -> None:
    """Write the study's page again, if it keeps one."""
    from lightune.report.study_report import FILE_NAME, write_report

    if (folder / FILE_NAME).is_file():
        study = read_study(folder, curves=True)
        write_report(study, analyse(study))


def print_explanation(explanation: Explanation, study: StudyData) -> None:
    """Print what was found of a study."""
    from lightune.cli.records import print_records

    if explanation.effects:
        print_records(explanation.rows(), COLUMNS)
    for line in explanation.lines(study):
        say(line)


def _is_replaced(line: str) -> bool:
    key = bare_key(line.partition("=")[0])
    return key in _NEVER_KEPT or key == SEED


def _defaults(fixed: Sequence[str], config_dir: str | None) -> tuple[DefaultOf, int]:
    """Return what tells the text of a key's default value, and the seed of the configuration."""

    @cache
    def composed(options: tuple[str, ...]) -> DictConfig:
        with composing(config_dir) as files:
            try:
                return files.compose_whole([*fixed, *options])
            except HydraException as error:
                rule = f"cannot be composed by today's files ({' '.join(str(error).split())})"
                raise ConfigError([Problem("explain", rule)]) from error

    groups = {str(group) for group in composed(()).hydra.runtime.choices}

    def text_of(key: str, point: Point) -> str | None:
        bare = bare_key(key).partition("{")[0]
        options = tuple(f"{name}={text}" for name, text in point.items() if bare_key(name) in groups - {bare})
        config = composed(options)
        if bare in groups:
            choice = config.hydra.runtime.choices[bare]
            return None if choice is None else str(choice)
        value = OmegaConf.select(config, bare, default=_ABSENT)
        if value is _ABSENT:
            return None
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        return plain if isinstance(plain, str) and _is_typed_so(plain) else value_text(plain)

    return text_of, _seed_of(composed(()))


def _is_typed_so(text: str) -> bool:
    with suppress(HydraException, ValueError):
        return bool(value_of_text(text) == text)
    return False


def _seed_of(config: DictConfig) -> int:
    seed = config.seed
    return seed if isinstance(seed, int) else 0


def _announced(plan: Plan) -> str:
    parts = []
    if plan.points:
        parts.append(f"{counted(len(plan.changes), 'change')} from the default to the best, alone and taken back")
    if plan.pruned:
        parts.append(f"{counted(len(plan.pruned), 'pruned trial')} to their end")
    return f"trains {counted(len(plan.points) + len(plan.pruned), 'run')}: {', and '.join(parts)}"


def _train(
    plan: Plan,
    fixed: Sequence[str],
    config_dir: str | None,
    folder: Path,
    conditions: Mapping[str, Mapping[str, Any]],
) -> Path:
    """Train all points as a study; return its folder."""
    from lightune.cli.search import run_study

    points = list(
        {tuple(sorted(point.items())): point for point in (*plan.points, *plan.pruned.values())}.values()
    )
    keys = list(dict.fromkeys(key for point in points for key in point))
    texts = {key: list(dict.fromkeys(point[key] for point in points if key in point)) for key in keys}
    everywhere = {key for key in keys if all(key in point for point in points)}
    alone = [f"{key}={values[0]}" for key, values in texts.items() if len(values) == 1 and key in everywhere]
    swept = {key: values for key, values in texts.items() if len(values) > 1 and key in everywhere}
    somewhere = {
        key: {"space": f"choice({','.join(texts[key])})", "when": dict(conditions[key])}
        for key in keys
        if key not in everywhere
    }
    if not swept:  # one run
        swept = {SEED: texts[SEED]}
        alone = [line for line in alone if not line.startswith(f"{SEED}=")]
    fuses = [] if any(line.startswith("hydra/launcher=") for line in fixed) else ["hydra/launcher=fused"]
    enqueued = ",".join(_enqueued(point, (*swept, *somewhere)) for point in points)
    lines = [
        *fixed,
        *fuses,
        "search=random",
        "search.report=false",
        f"search.n_trials={len(points)}",
        *alone,
        *(f"{key}=choice({','.join(values)})" for key, values in swept.items()),
        *([f"search.space={value_text(somewhere)}"] if somewhere else []),
        f"search.enqueue=[{enqueued}]",
        f"hydra.sweep.dir={value_text(str(folder))}",
    ]
    return run_study(Words(tuple(lines), config_dir))


def _enqueued(point: Point, keys: Iterable[str]) -> str:
    return "{" + ",".join(f"{bare_key(key)}:{point[key]}" for key in keys if key in point) + "}"


def _values_in(trained: StudyData) -> Callable[[Point], float | None]:
    """Return what finds the value of a point among the trials that were trained."""
    known = {
        tuple(sorted(trial.point.items())): trial.values[0]
        for trial in trained.complete
        if trial.values is not None
    }
    keys = {parameter.key for parameter in trained.parameters}

    def value_of(point: Point) -> float | None:
        here = {bare_key(key): text for key, text in point.items()}
        wanted = {key: here[bare_key(key)] for key in keys if bare_key(key) in here}
        exact = known.get(tuple(sorted(wanted.items())))
        if exact is not None:
            return exact
        return next((value for other, value in known.items() if _agree(dict(other), wanted)), None)

    return value_of


def _agree(point: Point, other: Point) -> bool:
    return point.keys() == other.keys() and all(are_alike(text, other[key]) for key, text in point.items())
