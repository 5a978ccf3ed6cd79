"""`lightune explain STUDY`: what each change from the default to the best bought, and what pruning cost.

What has to be trained for that is a study of its own, in `STUDY/explain/`: it goes on after anything.
This module must not import torch or Lightning, nor Optuna at its top.
"""

import argparse
import csv
import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from lightune.config.composing import composing
from lightune.config.override_text import bare_key, value_of_text, value_text
from lightune.config.words import Words
from lightune.errors import ConfigError, Problem
from lightune.report.ablation import (
    SEED,
    Effect,
    Estimate,
    Plan,
    Point,
    Pruned,
    effects_of,
    plan_of,
    pruned_of,
    total_of,
)
from lightune.report.next_search import own_lines
from lightune.report.study_data import StudyData, as_number, read_study
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import cell, say
from lightune.study.outputs.command import THE_COMMAND, words_of
from lightune.wording import counted

__all__ = ["OF_STUDIES", "PRUNED", "SEEDS", "explain_study"]

_FOLDER, _TRAINED, _TABLE = "explain", "trained", "changes.csv"
_NEVER_KEPT = (
    "search",
    "search.pruner",
    "search.n_trials",
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
    fixed = [line for line in own_lines(words.overrides) if not _is_replaced(line)]
    flags = dict(zip(words.flags[::2], words.flags[1::2], strict=True))
    if set(flags) - {"--config-dir"}:
        rule = f"was begun with {', '.join(sorted(set(flags) - {'--config-dir'}))}, which cannot be explained yet"
        raise ConfigError([Problem(str(folder), rule)])
    config_dir = flags.get("--config-dir")
    defaults, first = _defaults(fixed, config_dir)
    count = options.seeds or SEEDS
    seeds = range(first, first + count)
    plan = plan_of(study, defaults, seeds=seeds, pruned=PRUNED if options.pruned is None else options.pruned)
    say(_announced(plan), error=True)
    trained = read_study(_train(plan, fixed, config_dir, folder / _FOLDER / _TRAINED))
    value_of = _values_in(trained)
    effects = effects_of(plan, value_of, mode=study.mode, seeds=seeds) if plan.changes else []
    total = total_of(plan, value_of, mode=study.mode, seeds=seeds) if plan.changes else None
    pruned = pruned_of(study, plan, value_of)
    write_whole(folder / _FOLDER / _TABLE, _csv(effects).encode())
    if options.json:
        print(json.dumps(_plain(study, effects, total, pruned), indent=2))
    else:
        _show(study, plan, effects, total, pruned)
    say(f"all of it is in {folder / _FOLDER}", error=True)


def _is_replaced(line: str) -> bool:
    key = bare_key(line.partition("=")[0])
    return key in _NEVER_KEPT or key == SEED


def _defaults(fixed: Sequence[str], config_dir: str | None) -> tuple[Callable[[str], str | None], int]:
    """Return what tells the text of a key's default value, and the seed of the configuration."""
    with composing(config_dir) as files:
        try:
            config = files.compose_whole(fixed)
        except HydraException as error:
            rule = f"cannot be composed by today's files ({' '.join(str(error).split())})"
            raise ConfigError([Problem("explain", rule)]) from error
        choices = {str(group): option for group, option in config.hydra.runtime.choices.items()}

    def text_of(key: str) -> str | None:
        bare = bare_key(key)
        if bare in choices:
            return None if choices[bare] is None else str(choices[bare])
        value = OmegaConf.select(config, bare, default=_ABSENT)
        if value is _ABSENT:
            return None
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        return plain if isinstance(plain, str) and _is_typed_so(plain) else value_text(plain)

    return text_of, _seed_of(config)


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


def _train(plan: Plan, fixed: Sequence[str], config_dir: str | None, folder: Path) -> Path:
    """Train all points as a study; return its folder."""
    from lightune.cli.search import run_study

    points = list(
        {tuple(sorted(point.items())): point for point in (*plan.points, *plan.pruned.values())}.values()
    )
    texts = {key: list(dict.fromkeys(point[key] for point in points)) for key in points[0]}
    alone = [f"{key}={values[0]}" for key, values in texts.items() if len(values) == 1]
    swept = {key: values for key, values in texts.items() if len(values) > 1}
    if not swept:  # one run
        swept = {SEED: texts[SEED]}
        alone = [line for line in alone if not line.startswith(f"{SEED}=")]
    fuses = [] if any(line.startswith("hydra/launcher=") for line in fixed) else ["hydra/launcher=fused"]
    enqueued = ",".join(_enqueued(point, swept) for point in points)
    lines = [
        *fixed,
        *fuses,
        "search=random",
        "search.report=false",
        f"search.n_trials={len(points)}",
        *alone,
        *(f"{key}=choice({','.join(values)})" for key, values in swept.items()),
        f"search.enqueue=[{enqueued}]",
        f"hydra.sweep.dir={value_text(str(folder))}",
    ]
    return run_study(Words(tuple(lines), config_dir))


def _enqueued(point: Point, swept: dict[str, list[str]]) -> str:
    return "{" + ",".join(f"{bare_key(key)}:{point[key]}" for key in swept) + "}"


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
    def alike(text: str, second: str) -> bool:
        numbers = as_number(text), as_number(second)
        return numbers[0] == numbers[1] if None not in numbers else text.strip("'") == second.strip("'")

    return point.keys() == other.keys() and all(alike(text, other[key]) for key, text in point.items())


def _show(
    study: StudyData, plan: Plan, effects: Sequence[Effect], total: Estimate | None, pruned: Pruned | None
) -> None:
    from lightune.cli.records import print_records

    if effects:
        rows = [
            (
                effect.change.label,
                f"{effect.change.default} -> {effect.change.best}",
                *map(_figure, _estimates(effect)),
                _told(effect),
            )
            for effect in effects
        ]
        print_records(rows, ("change", "from default to best", "bought", "alone", "in the best", ""))
    if total is not None:
        say(f"in all  {_figure(total)} of {study.metric}, over {counted(total.count, 'seed')}")
    if plan.alike:
        say(f"as by default: {', '.join(plan.alike)}")
    if pruned is not None:
        say(_of_pruning(study, pruned))


def _estimates(effect: Effect) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    return effect.both, effect.added, effect.taken


def _told(effect: Effect) -> str:
    if effect.both is None:
        return "a training of it failed"
    return "" if effect.both.is_told_from_chance else "not told from chance"


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.mean:+.4f}" + (f" ± {estimate.std:.4f}" if estimate.std is not None else "")


def _of_pruning(study: StudyData, pruned: Pruned) -> str:
    done = f"pruning  {counted(pruned.finished, 'pruned trial')} trained to the end: "
    if pruned.better:
        return (
            f"{done}{pruned.better} better than the best, {study.metric} {pruned.value:.4f} ({pruned.gain:+.4f})"
        )
    return (
        f"{done}none is better than the best, the nearest {study.metric} {pruned.value:.4f} ({pruned.gain:+.4f})"
    )


def _csv(effects: Sequence[Effect]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("bought", "alone", "in_the_best")
    writer.writerow(
        ["key", "default", "best", *(f"{name}{end}" for name in names for end in ("", "_std")), "seeds"]
    )
    for effect in effects:
        figures = [
            "" if value is None else repr(value)
            for estimate in _estimates(effect)
            for value in ((None, None) if estimate is None else (estimate.mean, estimate.std))
        ]
        change = effect.change
        count = effect.both.count if effect.both is not None else 0
        writer.writerow([cell(change.key), cell(change.default), cell(change.best), *figures, count])
    return text.getvalue()


def _plain(
    study: StudyData, effects: Sequence[Effect], total: Estimate | None, pruned: Pruned | None
) -> dict[str, Any]:
    def plain(estimate: Estimate | None) -> dict[str, Any] | None:
        return None if estimate is None else {**asdict(estimate), "told_from_chance": estimate.is_told_from_chance}

    return {
        "study": str(study.folder),
        "metric": study.metric,
        "changes": [
            {
                **asdict(effect.change),
                "bought": plain(effect.both),
                "alone": plain(effect.added),
                "in_the_best": plain(effect.taken),
            }
            for effect in effects
        ],
        "in_all": plain(total),
        "pruned": None if pruned is None else asdict(pruned),
    }
