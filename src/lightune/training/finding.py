"""Find a learning rate or a batch size before a run is trained; it is found once, and used from then on."""

import copy
import logging
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer

from lightune.config.batches import require_batches
from lightune.config.build import build_fit
from lightune.config.dry_run import try_optimizer
from lightune.config.finders import FINDERS, asked_for
from lightune.data import InMemoryData
from lightune.engine.batch_finder import find_batch_size
from lightune.engine.rate_finder import find_rate
from lightune.errors import ConfigError
from lightune.reporting.found import FILE_NAME, Found, read_found, write_found
from lightune.reporting.line_picture import line_picture
from lightune.reporting.png import write_png
from lightune.tasks import SupervisedTask
from lightune.training.context import RunContext
from lightune.training.resumable_checkpoints import newest_checkpoint
from lightune.training.run_record import RunRecord

__all__ = ["LEAST_BATCHES", "find"]

log = logging.getLogger(__name__)

LEAST_BATCHES = 10
"""A batch size with fewer batches an epoch is not tried: such an epoch takes too few steps to learn."""


def find(context: RunContext, record: RunRecord, trainer: Trainer) -> RunContext:
    """Find what the configuration asks to be found, or read what the run has found before; return the run with it.

    The network is tried on copies. The run then trains what one would whose configuration says these values.

    Args:
        context: of a run with one fit.
        record: of the run; it is told what was found.
        trainer: of the fit, which knows the device and the precision.

    Raises:
        ConfigError: if the run is resumed and what it found is not there any more.
        ValueError: if no batch fits into memory.
    """
    asked = asked_for(context.cfg.trainer)
    if not asked:
        return context
    began = time.perf_counter()
    if context.resumed and newest_checkpoint(context.run_dir) is not None:
        found = read_found(context.run_dir, [FINDERS[name] for name in asked])
        for each in found:
            record.say(f"{each.key}={each.value:g}, as {FILE_NAME} of this run says")
            context = _with(context, each)
    else:
        found = []
        if "batch_size_find" in asked:
            found.append(_batch_size(context, trainer))
            context = _with(context, found[-1])
        if "lr_find" in asked:
            found.append(_rate(context, trainer))
            context = _with(context, found[-1])
        write_found(context.run_dir, found)
        for each in found:
            _show(each, context, record)
    seconds = context.parts.seconds + time.perf_counter() - began
    context = replace(context, parts=replace(context.parts, seconds=seconds))
    record.take_found(context, {each.key: each.value for each in found})
    return context


def _rate(context: RunContext, trainer: Trainer) -> Found:
    data, task, before = _data(context), context.parts.task, float(context.cfg.optimizer.get("lr") or 0)
    assert isinstance(task, SupervisedTask)
    with closing(_Batches(data)) as batches:
        search = find_rate(
            task,
            batches.of_epoch,
            trainer,
            seed=context.parts.plans[0].seed,
            pause=context.interruption.stop_if_asked,
        )
    key = FINDERS["lr_find"]
    if search.found is None:
        why = f"the loss fell at no rate, so {key} stays"
        return Found(key, before, before, why, search.rates, search.losses, "loss")
    why = f"where the loss falls most steeply, in {len(search.rates)} steps on a copy"
    return Found(key, before, search.found, why, search.rates, search.losses, "loss")


def _batch_size(context: RunContext, trainer: Trainer) -> Found:
    data, task = _data(context), context.parts.task
    assert isinstance(task, SupervisedTask)
    start = data.batch_size
    assert isinstance(start, int)
    start = data.batch_size_at(0)

    def refusal(size: int) -> str | None:
        batches.set_size(size)
        if (each := data.batches_at(0)) < LEAST_BATCHES:
            return f"makes {each} batches an epoch, of which there should be {LEAST_BATCHES}"
        try:
            cfg = _changed(context.cfg, FINDERS["batch_size_find"], size)
            require_batches(cfg, trainer, task, data, [plan.split for plan in context.parts.plans])
        except ConfigError as error:
            return str(error.problems[0])
        return None

    with closing(_Batches(data)) as batches:
        search = find_batch_size(
            task,
            batches.of_size,
            trainer,
            start=start,
            seed=context.parts.plans[0].seed,
            refusal=refusal,
            pause=context.interruption.stop_if_asked,
        )
    megabytes = [each / 1e6 for each in search.bytes]
    sizes = [float(size) for size in search.sizes]
    return Found(FINDERS["batch_size_find"], start, search.found, search.why, sizes, megabytes, "MB a step")


class _Batches:
    """Training batches of sizes that are tried; closed, the data are as they were.

    Args:
        data: divided, and not trained on at the time.
    """

    def __init__(self, data: InMemoryData) -> None:
        self._data, self._size = data, data.batch_size

    def of_epoch(self) -> Iterable[Any]:
        """Return the batches of the first epoch."""
        return self._data.train_dataloader()

    def of_size(self, size: int) -> Iterable[Any]:
        """Return the batches of the first epoch, for a size."""
        self.set_size(size)
        return self.of_epoch()

    def set_size(self, size: int) -> None:
        """Set the size."""
        self._data.batch_size = size

    def close(self) -> None:
        """Put the size back, and end the processes of a stream."""
        self._data.batch_size = self._size
        self._data.close_streams()


def _data(context: RunContext) -> InMemoryData:
    assert isinstance(context.parts.data, InMemoryData)
    return context.parts.data


def _with(context: RunContext, found: Found) -> RunContext:
    """Return a run whose configuration says what was found, and whose parts are built of it."""
    value = int(found.value) if found.key == FINDERS["batch_size_find"] else float(found.value)
    cfg = _changed(context.cfg, found.key, value)
    data = _data(context)
    if found.key == FINDERS["batch_size_find"]:
        data.batch_size = int(value)
    task = build_fit(cfg, data, context.parts.plans[0], divided=True)
    try_optimizer(task)
    return replace(context, cfg=cfg, parts=replace(context.parts, task=task))


def _changed(cfg: DictConfig, key: str, value: float) -> DictConfig:
    changed = copy.deepcopy(cfg)
    OmegaConf.update(changed, key, value, force_add=True)
    return changed


def _show(found: Found, context: RunContext, record: RunRecord) -> None:
    """Say what was found, and draw it."""
    name = next(name for name, key in FINDERS.items() if key == found.key)
    file = f"{name}.png"
    said = f"{found.key}={found.value:g} in the place of {found.before:g}"
    if found.value == found.before:
        said = f"{found.key}={found.value:g} stays"
    drawn = ""
    if found.tried:
        picture = line_picture(
            found.tried, found.measured, mark=found.value, x_name=found.key, y_name=found.measure
        )
        write_png(context.run_dir / file, picture)
        record.pictures[f"found/{name}"] = picture
        drawn = f"; {file} shows it"
    record.say(f"trainer.{name}: {said}: {found.why}{drawn}")
