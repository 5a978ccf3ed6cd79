"""Train a finished run again from its own configuration, in a clean folder, and compare what comes of it."""

import copy
import itertools
import math
import operator
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.checkpoints import read_checkpoint
from lightune.config.build import Parts
from lightune.config.finders import FINDERS
from lightune.config.own_code import loaded_code
from lightune.config.validate import validate
from lightune.data.indexed import fingerprint_of
from lightune.errors import ConfigError, Problem, TrainingError
from lightune.paths import FROM
from lightune.provenance.differences import Difference, differences
from lightune.provenance.recorded import Recorded, read_recorded
from lightune.reporting.curves import read_curves
from lightune.reporting.data_file import require_same_data
from lightune.reporting.fits import FitResult
from lightune.reporting.provenance import device_named
from lightune.reporting.result import Result
from lightune.run import prepare, train
from lightune.runtime.quiet import quiet
from lightune.study.executors.worker.isolation import as_found
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.group import GroupedJob, TrialGroup
from lightune.training.fused.planner import Group, StructureCache, build_member

__all__ = ["Figure", "Reproduction", "Weights", "reproduce"]

_COMPANIONS = ".companions"
"""Folder of the members that make a program of one that was trained as a part of one."""


@dataclass(frozen=True)
class Figure:
    """A number of a result, then and now.

    Args:
        name: such as `val/accuracy`.
        then: as recorded; None where it was not measured.
        now: as trained again.
    """

    name: str
    then: float | None
    now: float | None

    @property
    def is_same(self) -> bool:
        """Whether both are equal to the last digit."""
        return self.then == self.now or (_is_nan(self.then) and _is_nan(self.now))


@dataclass(frozen=True)
class Weights:
    """The weights of a checkpoint, then and now.

    Args:
        file: its path from the run's folder.
        count: how many numbers it has.
        differing: how many of them are others now; all, where networks are not of one size.
        largest: the largest difference, >= 0; NaN where it cannot be told.
    """

    file: str
    count: int
    differing: int
    largest: float

    @property
    def is_same(self) -> bool:
        """Whether all are equal to the last digit."""
        return self.differing == 0


@dataclass(frozen=True)
class Reproduction:
    """What came of training a run again.

    Args:
        recorded: the run.
        differing: what differs in code, data, and in what it is computed with.
        figures: of the result, of its fits, and the last of each curve.
        weights: of the checkpoints that the run still has.
        lost: checkpoints that it has no more.
        folder: of the new run.
    """

    recorded: Recorded
    differing: Sequence[Difference]
    figures: Sequence[Figure]
    weights: Sequence[Weights]
    lost: Sequence[str]
    folder: Path

    @property
    def is_same(self) -> bool:
        """Whether every figure and every weight is equal to the last digit."""
        return all(each.is_same for each in self.figures) and all(each.is_same for each in self.weights)


def reproduce(
    recorded: Recorded,
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    tell: Callable[[list[Difference]], object] = lambda found: None,
) -> Reproduction:
    """Train a run again and compare; nothing of its own folder is changed.

    What can be as it was then is: the number of threads, the device where it was a processor, what was found
    before training, the epoch at which a pruner stopped it, and whether it was trained alone or as part of a
    program.

    Args:
        recorded: the run.
        folder: of the new run, which is empty.
        changes: key → value of what is elsewhere now, such as the path of the data.
        tell: is told what differs before training begins.

    Raises:
        ConfigError: if its configuration cannot run here, or its data or code are missing or others.
        TrainingError: if the training fails.
    """
    cfg = _again(recorded.cfg, recorded, folder, changes)
    with as_found(), _threads_of(recorded):
        parts = _prepared(cfg, recorded)
        found = differences(recorded, device=_device(cfg), code=loaded_code().digest, data=_fingerprint(parts))
        tell(found)
        if recorded.begun_as is not None:
            begun = _again(recorded.begun_as, recorded, folder, changes)
            _write_config(folder, begun)
            _train(begun, recorded, folder, None)
            train(cfg, run_dir=folder, resume=True)
        else:
            _write_config(folder, cfg)
            _train(cfg, recorded, folder, parts)
    now = read_recorded(folder)
    weights, lost = _weights(recorded, now)
    return Reproduction(recorded, found, list(_figures(recorded, now)), weights, lost, folder)


def _again(before: DictConfig, recorded: Recorded, folder: Path, changes: Mapping[str, Any] | None) -> DictConfig:
    """Return a configuration as it is trained again: with the same figures, and nothing written but the folder."""
    cfg = copy.deepcopy(before)
    with open_dict(cfg):
        cfg.output_root, cfg.logger, cfg.resume, cfg.test = str(folder), {}, None, recorded.is_tested
        has_trainer = isinstance(cfg.get("trainer"), DictConfig)  # else it is refused when it is built
        if has_trainer and str(recorded.provenance.get("device", "")).startswith("cpu"):
            cfg.trainer.accelerator = "cpu"
        cfg[FROM] = None
        for name, key in FINDERS.items():
            if key in recorded.result.found:
                value = recorded.result.found[key]
                OmegaConf.update(cfg, key, int(value) if name == "batch_size_find" else value, force_add=True)
                cfg.trainer[name] = False
        for key, value in (changes or {}).items():
            OmegaConf.update(cfg, key, value)
    return cfg


def _prepared(cfg: DictConfig, recorded: Recorded) -> Parts:
    """Build the parts of a run; what is missing is said with what was recorded of it.

    Raises:
        ConfigError: if something cannot be used.
    """
    try:
        parts = prepare(cfg)
        require_same_data(recorded.run, parts.data)
    except ConfigError as refusal:
        raise ConfigError([_told(problem, recorded) for problem in refusal.problems]) from refusal
    return parts


def _told(problem: Problem, recorded: Recorded) -> Problem:
    if problem.key.endswith("_target_"):
        return Problem(problem.key, f"{problem.message}; {recorded.told_of_code()}")
    if problem.key.partition(".")[0] == "data":
        return Problem(problem.key, f"{problem.message}; {recorded.told_of_data()}")
    return problem


def _train(cfg: DictConfig, recorded: Recorded, folder: Path, parts: Parts | None) -> None:
    if recorded.fused:
        _train_as_member(cfg, recorded, folder)
        return
    last = len(recorded.result.folds or recorded.result.repeats) or recorded.result.epochs
    report = (lambda step, value: step >= last) if recorded.result.status == "pruned" else None
    train(cfg, parts=parts, run_dir=folder, report=report)


def _train_as_member(cfg: DictConfig, recorded: Recorded, folder: Path) -> None:
    """Train a run as a member of a program of as many as it was one of, each of which is like it.

    The weights do not depend on how many these are, but the last digits of what is measured do; on who the others
    are nothing depends.

    Raises:
        ConfigError: if it can be no member here.
        TrainingError: if the training fails.
    """
    validate(cfg)
    known, companions = StructureCache(), folder / _COMPANIONS
    count = max(2, recorded.fused[0][0])
    members, parts = [], []
    for _ in range(count):
        if isinstance(built := build_member(cfg, known), str):
            rule = f"was trained as one program with others, and here it {built}"
            raise ConfigError([Problem(str(recorded.run), rule)])
        members.append(built[0])
        parts.append(built[1])
    homes = [folder, *(companions / str(place) for place in range(1, count))]
    for home in homes[1:]:
        home.mkdir(parents=True)
    last = dict(enumerate(_last_epochs(recorded, count), start=1))
    if recorded.result.status == "pruned":
        last[0] = recorded.result.epochs
    jobs = [
        GroupedJob(place, cfg, home, report=lambda number, epoch, _: epoch + 1 >= last.get(number, math.inf))
        for place, home in enumerate(homes)
    ]
    places = list(range(count))
    try:
        with quiet(verbose=False):
            TrialGroup(jobs, Group(places, members, parts, known), places, device=device_of(cfg)).train()
    finally:
        shutil.rmtree(companions, ignore_errors=True)
    if isinstance(ending := jobs[0].ending, TrainingError):
        raise ending


def _last_epochs(recorded: Recorded, count: int) -> list[float]:
    """Return after which epoch each companion of a member stops, so that it is computed with as many as then."""
    widths = recorded.fused
    ends: list[float] = []
    trained = 0
    for (members, epochs), (fewer, _) in itertools.pairwise(widths):
        trained += epochs
        ends += [trained] * max(0, members - fewer)
    return [*ends[: count - 1], *[math.inf] * (count - 1 - len(ends))]


def _write_config(folder: Path, cfg: DictConfig) -> None:
    (folder / ".hydra").mkdir()
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml", resolve=False)


@contextmanager
def _threads_of(recorded: Recorded) -> Iterator[None]:
    """Compute with as many threads as the run did; `as_found` puts back what there was."""
    if (threads := recorded.threads) is not None:
        torch.set_num_threads(threads)
    yield


def _device(cfg: DictConfig) -> str:
    return device_named(torch.device(device_of(cfg)))


def _fingerprint(parts: Parts) -> str | None:
    fingerprint = getattr(parts.data, "fingerprint", None)
    return fingerprint() if callable(fingerprint) else fingerprint_of(parts.data)


def _figures(then: Recorded, now: Recorded) -> Iterator[Figure]:
    """Yield the figures of a run, or of the fit that was asked for."""
    if then.fit is not None:
        before, after = (next(fit for fit in each.fits() if fit.index == then.fit) for each in (then, now))
        yield from _of_one(before, after, "")
    else:
        yield from _of_one(then.result, now.result, "")
        after_by_index = {fit.index: fit for fit in now.fits()}
        for before in then.fits():
            if before.index in after_by_index:
                yield from _of_one(before, after_by_index[before.index], f"fit {before.index}: ")
    yield from _curves(then.folder, now.run if then.fit is None else now.run / "fits" / str(then.fit))


def _of_one(before: Result | FitResult, after: Result | FitResult, prefix: str) -> Iterator[Figure]:
    for name in ("epochs", "steps"):
        yield Figure(f"{prefix}{name}", getattr(before, name), getattr(after, name))
    metric = before.objective.metric
    if before.objective.value != before.metrics.get(metric):
        yield Figure(f"{prefix}objective, {metric}", before.objective.value, after.objective.value)
    for name, value in before.metrics.items():
        yield Figure(f"{prefix}{name}", value, after.metrics.get(name))
    for name, interval in getattr(before, "intervals", {}).items():
        other = getattr(after, "intervals", {}).get(name)
        yield Figure(f"{prefix}{name}, lower end", interval.low, None if other is None else other.low)
        yield Figure(f"{prefix}{name}, upper end", interval.high, None if other is None else other.high)


def _curves(then: Path, now: Path) -> Iterator[Figure]:
    """Yield how many values the curves have that both have, and how many of them are the same now."""
    with suppress(OSError, ValueError, IndexError):
        before, after = read_curves(then), read_curves(now)
        shared = [name for name in before if name in after]  # train/lr is there where a logger is
        count = sum(max(len(before[name]), len(after[name])) for name in shared)
        same = sum(sum(map(operator.eq, before[name], after[name])) for name in shared)
        yield Figure("values of the curves", count, same)


def _weights(then: Recorded, now: Recorded) -> tuple[list[Weights], list[str]]:
    """Compare the checkpoints of a run; return those, and the paths of what it has no more."""
    folders = [then.folder] if then.fit is not None or not then.fits() else [
        then.run / "fits" / str(fit.index) for fit in then.fits()
    ]  # fmt: skip
    compared, lost = [], []
    for folder in folders:
        inner = folder.relative_to(then.run)
        name = "best" if (now.run / inner / "checkpoints" / "best.ckpt").is_file() else "last"
        file = inner / "checkpoints" / f"{name}.ckpt"
        if not (then.run / file).is_file():
            lost.append(file.as_posix())
            continue
        compared.append(_compared(file, then.run, now.run))
    return compared, lost


def _compared(file: Path, then: Path, now: Path) -> Weights:
    """Compare two checkpoints, number by number.

    Raises:
        CheckpointError: if that of the run is damaged.
    """
    before, after = (read_checkpoint(folder / file)["state_dict"] for folder in (then, now))
    count = sum(value.numel() for value in before.values())
    shapes = [{name: value.shape for name, value in each.items()} for each in (before, after)]
    if shapes[0] != shapes[1]:
        return Weights(file.as_posix(), count, count, math.nan)
    differing, largest = 0, 0.0
    for name, value in before.items():
        other = after[name]
        unequal = (value != other) & ~((value != value) & (other != other))
        differing += int(unequal.sum())
        if unequal.any():
            apart = (value.double() - other.double()).abs()
            largest = max(largest, float(apart[unequal].max()))
    return Weights(file.as_posix(), count, differing, largest)


def _is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)
