"""Say which words of a command have no effect: each in one line, so that nothing is ignored in silence.

This module must not import Optuna, torch or Lightning at its top.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from lightune.config.override_text import bare_key
from lightune.config.static.signatures import Target, TargetNotFoundError, UnreadableTargetError, describe
from lightune.study.definition.identity import overrides_of
from lightune.study.executors.launcher import launcher_of
from lightune.wording import counted

if TYPE_CHECKING:
    from lightune.config.build import Parts
    from lightune.study.definition.definition import Definition

__all__ = ["OUR_PLUGINS", "after_building", "of_multirun", "of_run"]

_PARTS = ("model", "loss", "optimizer", "scheduler", "metrics", "regularization")
_ALWAYS_USED = ("regularization.gradient_clip",)  # by the trainer
_WITHOUT_M = ("search", "hydra.launcher", "hydra.sweeper", "hydra.sweep")
OUR_PLUGINS = "hydra_plugins.hydra_lightune."
_OF_RUNS = "search.keep_predictions"  # which a run follows, trial or not
_GROWTHS = ("schedule.batch_growth", "schedule.regularization_growth")
_BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
_SWA = "regularization=swa"
_GPUS = ("search.gpus_per_job", "search.jobs_per_gpu")


@dataclass(frozen=True)
class Word:
    """What a command says of one key.

    Args:
        key: dotted, without `+`; of a chosen option, the group.
        text: as it is typed.
        is_swept: whether it has several values.
    """

    key: str
    text: str
    is_swept: bool = False

    def is_below(self, *keys: str) -> bool:
        """Return True if the word sets one of some keys, or something in it."""
        return any(self.key == key or self.key.startswith(f"{key}.") for key in keys)


def of_run(config: DictConfig, cfg: DictConfig) -> Iterator[str]:
    """Yield a line on what a command says that a run has no use for.

    Args:
        config: as Hydra composed it, with its own node.
        cfg: the same without it.
    """
    words = _words(config)
    if isinstance(space := OmegaConf.select(cfg, "search.space"), DictConfig) and space:
        keys = ", ".join(map(str, space))
        yield f"search.space ({keys}) is not searched without -m; this is one run, of the values that stand"
    asked = [word.text for word in words if word.text.startswith("hydra/launcher=")]
    if asked:
        yield f"{asked[-1]} starts nothing without -m; this is one run, in this process"
    known = [*(["search.space"] if space else []), *(["hydra.launcher"] if asked else [])]
    known.append(_OF_RUNS)
    if idle := [word for word in words if word.is_below(*_WITHOUT_M) and not word.is_below(*known)]:
        yield f"{_together(idle)} without -m; this is one run"
    yield from _of_any(cfg, words, tests=bool(cfg.test))


def of_multirun(config: DictConfig, cfg: DictConfig, definition: "Definition | None" = None) -> Iterator[str]:
    """Yield a line on what a command says that a multirun has no use for.

    Args:
        config: as Hydra composed it, with its own node.
        cfg: the same without it.
        definition: what a study is; None of a multirun by another sweeper.
    """
    words = _words(config)
    if idle := [word for word in words if word.is_below("hydra.run")]:
        yield f"{_together(idle)} with -m; hydra.sweep says where trials write"
    if idle := [word for word in words if word.is_below("test") and cfg.test is True]:
        yield f"{_together(idle)} with -m: trials are not tested; `lightune evaluate` tests the best one"
    searched = [str(key) for key in OmegaConf.select(cfg, "search.space") or ()]
    sweeper = config.hydra.sweeper
    if str(sweeper.get("_target_")).startswith(OUR_PLUGINS):
        yield from _of_launcher(config, words)
        if definition is not None:
            yield from _of_sampler(words, definition)
            yield from _of_division(cfg, words, definition)
    elif "search." not in OmegaConf.to_yaml(sweeper):
        choice = f"hydra/sweeper={config.hydra.runtime.choices.get('hydra/sweeper')}"
        if idle := [word for word in words if word.is_below("search") and not word.is_below(_OF_RUNS)]:
            yield f"{_together(idle)} with {choice}, which takes the keys of hydra.sweeper"
        elif searched:
            yield f"search.space ({', '.join(searched)}) is not searched with {choice}"
        searched = []
    words += [Word(key.lstrip("+"), f"search.space.{key}") for key in searched]
    yield from _of_any(cfg, words, tests=False)


def after_building(config: DictConfig, parts: "Parts") -> Iterator[str]:
    """Yield a line on what a command says that the data of a run have no use for.

    Args:
        config: as Hydra composed it, with its own node.
        parts: of the run.
    """
    from lightune.data import InMemoryData
    from lightune.data.indexed import IndexedData

    words, data = _words(config), parts.data
    if isinstance(data, IndexedData):
        cut = ("validation.test_fraction", "validation.fused", "validation.groups", "validation.order")
        if idle := [word for word in words if word.is_below(*cut)]:
            yield f"{_together(idle)}: {type(data.own).__name__} keeps its test part, and fits are trained alone"
        return
    if not isinstance(data, InMemoryData):
        if idle := [word for word in words if word.is_below("validation")]:
            yield f"{_together(idle)}: {type(data).__name__} divides itself"
        return
    if data.samples.official_test and (idle := [w for w in words if w.is_below("validation.test_fraction")]):
        yield f"{_together(idle)}: {type(data).__name__} has an official test part, which is kept"
    if data.samples.official_val and (idle := [w for w in words if w.is_below("validation.val_fraction")]):
        yield f"{_together(idle)}: {type(data).__name__} has an official validation part, which is kept"
    if not data.is_streamed and (idle := [word for word in words if word.is_below("data.num_workers")]):
        yield f"{_together(idle)}: the samples are in memory; data.placement=stream has workers prepare them"
    of_several = ("validation.fused", "validation.resplit")
    if len(parts.plans) == 1 and (idle := [word for word in words if word.is_below(*of_several)]):
        yield f"{_together(idle)}: this run is one fit"
    saturated = "augmentation.saturation"
    if data.kind == "image" and data.input_shape[0] != 3 and (idle := [w for w in words if w.is_below(saturated)]):
        yield f"{_together(idle)}: images of {counted(data.input_shape[0], 'channel')} have no colours"
    if data.num_classes == 0 and (idle := [word for word in words if word.is_below("validation.stratify")]):
        yield f"{_together(idle)} on a regression, which has no classes"
    by_time = OmegaConf.select(config, "validation.order")
    if by_time and (idle := [word for word in words if word.is_below("validation.stratify")]):
        yield f"{_together(idle)}: validation.order={by_time} divides"
    if data.num_classes and (idle := [word for word in words if word.is_below("data.target_scaling")]):
        yield f"{_together(idle)} on a classification, whose targets are classes"


def _words(config: DictConfig) -> list[Word]:
    lines = [*overrides_of(config, "hydra"), *overrides_of(config, "task")]
    parsed = OverridesParser.create().parse_overrides(lines)
    return [
        Word(override.key_or_group.replace("/", "."), _shown(override, line), override.is_sweep_override())
        for line, override in zip(lines, parsed, strict=True)
        if not override.is_delete()
    ]


def _shown(override: Override, line: str) -> str:
    """Return a word without a password that it may hold."""
    return f"{override.get_key_element()}=…" if "storage" in line else line


def _together(words: Sequence[Word]) -> str:
    texts = list(dict.fromkeys(word.text for word in words))
    return f"{' and '.join(texts)} {'have' if texts[1:] else 'has'} no effect"


def _of_any(cfg: DictConfig, words: Sequence[Word], *, tests: bool) -> Iterator[str]:
    used = _used_parts(cfg)
    unused = [group for group in _PARTS if group not in used]
    if idle := [word for word in words if word.is_below(*unused) and not _is_used_anyway(word)]:
        groups = [group for group in unused if any(word.is_below(group) for word in idle)]
        yield f"{cfg.task._target_} does not take {' or '.join(groups)}: {_together(idle)}"
    drops = ("regularization.dropout", "regularization=dropout")
    dropout = [word for word in words if word.is_below(drops[0]) or word.text == drops[1]]
    if dropout and "regularization" in used and not _refers(_text_of(cfg, used), "regularization.dropout"):
        yield f"{_together(dropout)}: no part reads regularization.dropout, which a model says in its YAML"
    yield from _of_schedule(cfg, words)
    yield from _of_average(cfg, words)
    if not tests and (idle := [word for word in words if word.is_below("metrics.bootstrap")]):
        yield f"{_together(idle)}: it is for the test figure, and nothing is tested"


def _of_average(cfg: DictConfig, words: Sequence[Word]) -> Iterator[str]:
    """Yield a line on a mean of the weights at the ends of one epoch, or of none."""
    epochs, share = cfg.trainer.get("max_epochs"), cfg.regularization.get("swa")
    idle = [word for word in words if word.is_below("regularization.swa") or word.text == _SWA]
    swept = any(word.is_swept and word.is_below("regularization", "trainer", "experiment") for word in words)
    if not idle or swept or not isinstance(epochs, int) or not isinstance(share, int | float):
        return
    averaged = epochs - ceil(share * epochs)
    if averaged in (0, 1):
        which = "the last alone" if averaged else "none"
        yield f"{_together(idle)}: of {counted(epochs, 'epoch')} {which} is averaged"


def _of_schedule(cfg: DictConfig, words: Sequence[Word]) -> Iterator[str]:
    """Yield a line on growth that does not take place."""
    node, said = cfg.get("schedule"), [word for word in words if word.is_below("schedule")]
    if not said or node is None:
        return
    task, growths = _described(cfg, "task"), (node.get("batch_growth", 1), node.get("regularization_growth", 1))
    if set(growths) == {1}:
        if idle := [word for word in said if word.key not in ("schedule", *_GROWTHS)]:
            yield f"{_together(idle)}: schedule.batch_growth and schedule.regularization_growth are 1"
        return
    if growths[1] != 1 and task is not None and "schedule" not in task.parameters:
        yield f"{cfg.task._target_} does not take schedule: schedule.regularization_growth has no effect"
    elif growths[1] != 1 and not any(cfg.regularization.get(name) for name in ("l1", "l2", "dropout")):
        yield "schedule.regularization_growth has no effect: l1, l2 and dropout of regularization are 0"
    epochs, first = cfg.trainer.get("max_epochs"), min(node.get("milestones") or [node.get("start", 0)])
    if node.get("follow") == "epochs" and isinstance(epochs, int) and 0 < epochs <= first:
        yield f"{_together(said)}: the first change is at epoch {first}, and the run has {epochs}"


def _is_used_anyway(word: Word) -> bool:
    return word.is_below(*_ALWAYS_USED) or word.text.lstrip("+") == "regularization=gradient_clip"


def _of_launcher(config: DictConfig, words: Sequence[Word]) -> Iterator[str]:
    """Yield a line on settings of the search that the launcher has no use for."""
    options, launcher = config.hydra.launcher, launcher_of(config)
    is_basic = str(options.get("_target_")) == _BASIC
    fuses = launcher is not None and launcher.fuses(options)
    idle = [] if fuses else [word for word in words if word.is_below("search.fused_width")]
    if launcher is None:
        idle += [word for word in words if word.is_below(*_GPUS)]
    if is_basic:
        idle += [word for word in words if word.is_below("search.n_jobs")]
    if launcher is not None or is_basic:
        idle += [word for word in words if word.is_below("hydra.sweeper.max_batch_size")]  # no batches
    if idle:
        yield f"{_together(idle)} with hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}"
    if launcher is None:
        return
    for key, reason in launcher.without_effect(options):
        if idle := [word for word in words if word.is_below(key)]:
            yield f"{_together(idle)}: {reason}"
    if launcher.is_local and (idle := [word for word in words if word.is_below(*_GPUS)]):
        from lightune.study.executors.local.devices import visible_gpus

        if OmegaConf.select(config, "trainer.accelerator") == "cpu" or not visible_gpus():
            yield f"{_together(idle)}: trials train on the CPU here; search.n_jobs says how many at the same time"


def _of_sampler(words: Sequence[Word], definition: "Definition") -> Iterator[str]:
    """Yield a line on settings that the study's sampler has no use for."""
    node = "hydra.sweeper.sampler"
    target = str((definition.settings.sampler or {}).get("_target_"))
    of_sampler = [word for word in words if word.key.startswith(f"{node}.") and word.key != f"{node}._target_"]
    if definition.is_grid:
        is_shuffled = any("shuffle" in text for text in (*definition.arguments, str(definition.settings.space)))
        idle = [word for word in words if word.is_below("search.seed", "hydra.sweeper.seed")]
        if idle := [*of_sampler, *([] if is_shuffled else idle)]:
            yield f"{_together(idle)} on a grid, which tries every point in the order that they are listed"
        return
    if idle := [word for word in of_sampler if word.is_below(f"{node}.seed")]:
        yield f"{_together(idle)}: search.seed is what a study's samplers are seeded with"
    if target.rpartition(".")[2] == "TPESampler" and (
        idle := [word for word in of_sampler if word.is_below(f"{node}.constant_liar")]
    ):
        yield f"{_together(idle)}: a study has it always, so that trials at the same time are not alike"


def _of_division(cfg: DictConfig, words: Sequence[Word], definition: "Definition") -> Iterator[str]:
    """Yield a line on a division anew for each seed where there is one."""
    keys = [bare_key(dimension.key) for dimension in definition.space.dimensions]
    has_one = cfg.get("repeats") == 1 and not {"seed", "repeats", "experiment"} & set(keys)
    if has_one and (idle := [word for word in words if word.is_below("validation.resplit")]):
        yield f"{_together(idle)}: no seed is swept, and no trial is repeated"


def _used_parts(cfg: DictConfig) -> set[str]:
    """Return the groups that the task is made of: those that it takes, and those that these refer to."""
    task = _described(cfg, "task")
    if task is None:
        return set(_PARTS)
    used = {group for group in _PARTS if group in task.parameters and group not in cfg.task}
    model = _described(cfg, "model") if "model" in used else None
    if "num_outputs" in task.parameters or (model is not None and "num_outputs" in model.parameters):
        used.add("loss")  # which says how many outputs it wants
    while more := {group for group in _PARTS if group not in used and _refers(_text_of(cfg, used), group)}:
        used |= more
    return used


def _described(cfg: DictConfig, group: str) -> Target | None:
    with suppress(TargetNotFoundError, UnreadableTargetError):
        return describe(str(cfg[group].get("_target_")))
    return None


def _text_of(cfg: DictConfig, used: Collection[str]) -> str:
    """Return what a configuration says beside the groups that are not used."""
    return OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, [str(k) for k in cfg if k in used or k not in _PARTS]))


def _refers(text: str, key: str) -> bool:
    """Return True if an interpolation in a text looks a key up, or something in it."""
    return re.search(rf"\$\{{[^}}]*(?<![\w.]){re.escape(key)}(?![\w])", text) is not None
