"""One fit: a network trained on one division of the data with one seed, in a folder of its own."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.utilities.model_helpers import is_overridden
from rich.console import Console
from torch import Tensor, nn

from lightune.callbacks import (
    BestAndLast,
    Continuation,
    FiniteLoss,
    Progress,
    Pruning,
    Randomness,
    Record,
    SharedStop,
    TestPredictions,
    ValidationPredictions,
    untold,
)
from lightune.callbacks.best import Best
from lightune.callbacks.record import measures
from lightune.checkpoints import load_weights, logged_steps, read_checkpoint
from lightune.config.batches import limited
from lightune.config.build import FitPlan
from lightune.config.trainer import build_trainer, make_trainer, point_at
from lightune.data import InMemoryData
from lightune.data.indexed import IndexedData
from lightune.engine.lean import engage
from lightune.errors import CheckpointError
from lightune.models import TransferNetwork
from lightune.paths import VALIDATION_FILE
from lightune.private_api.lightning import set_logged_step
from lightune.reporting.board import Board
from lightune.reporting.curves import write_curves
from lightune.reporting.errors import write_classes
from lightune.reporting.fits import FitResult
from lightune.reporting.predictions import Predictions, names_of, write_validation
from lightune.reporting.result import Objective
from lightune.runtime.atomic_files import written_together
from lightune.runtime.hardware import compiled, in_channels_last
from lightune.runtime.quiet import quiet
from lightune.tasks import SupervisedTask

__all__ = ["Fit", "no_driver_loaded"]

log = logging.getLogger(__name__)

_SHARE_632 = 0.632  # of the out-of-bag score: the chance of a sample to be in a resample, 1 - 1/e


class NothingTrainedError(RuntimeError):
    """A training ended before its first batch; the message says why that may be."""


class Fit:
    """Train, judge and test one network.

    Args:
        cfg: the run's configuration.
        data: divided as the plan says.
        task: with fresh weights.
        plan: which of the run's fits this is.
        folder: its folder; the run's own if the run has no other fit.
        run_dir: the run's folder; paths in the result are relative to it.
        console: where progress is shown.
        trainer: made of the configuration and not used yet; by default another is made.
        watchers: callbacks beside its own.
        checkpoint: from which it is resumed; None to train from scratch.
        resumed: whether the folder may hold what an earlier process wrote.
        fits: how many fits the run has, > 0.

    Attributes:
        validation: what the best epoch predicted for the validation part, once `keep_validation` was called; None
            where the task or the data do not tell.
    """

    def __init__(
        self,
        cfg: DictConfig,
        data: LightningDataModule,
        task: LightningModule,
        plan: FitPlan,
        *,
        folder: Path,
        run_dir: Path,
        console: Console,
        trainer: Trainer | None = None,
        watchers: Sequence[Callback] = (),
        checkpoint: Path | None = None,
        resumed: bool = False,
        fits: int = 1,
    ) -> None:
        began = time.perf_counter()
        metric, mode = cfg.monitor.metric, cfg.monitor.mode
        self.cfg, self.data, self.task, self.plan = cfg, data, task, plan
        self.folder, self._run_dir = folder, run_dir
        self.record = Record(metric, mode)
        self.validation: Predictions | None = None  # of the best epoch, once that is known
        self._tests = TestPredictions(checks=not isinstance(task, SupervisedTask))
        self._validates = ValidationPredictions(self.record.best)
        if isinstance(task, SupervisedTask):
            self._validates.source = lambda: task.validated
        self._keeps = bool(OmegaConf.select(cfg, "search.keep_predictions", default=True))
        label = f"fit {plan.index + 1}/{fits}" if fits > 1 else ""
        progress = Progress(metric, mode, console, label, best=self.record.best)
        own = [
            FiniteLoss(),
            self.record,
            progress,
            Randomness(),
            Continuation(),
            self._validates,
            self._tests,
        ]  # the first: no figure of NaN weights
        first = [*own, *watchers, SharedStop()]
        self.trainer: Trainer = point_at(trainer or make_trainer(cfg), cfg, run_dir=folder, first=first)
        self._checkpoint = checkpoint
        for callback in self.trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast):
                callback.goes_on_from = checkpoint
        if resumed:
            self._drop_figures_from(0 if checkpoint is None else logged_steps(read_checkpoint(checkpoint)))
        self.record.setup_seconds = time.perf_counter() - began

    def train(self) -> None:
        """Train from scratch or from the checkpoint, to the end or until a callback stops it."""
        seed_everything(self.plan.seed + self.trainer.global_rank, workers=True, verbose=False)
        if self._checkpoint is not None:
            log.info("going on from %s", self._checkpoint)
        if isinstance(self.data, InMemoryData):
            log.info("data.placement=%s: %s", *self.data.placed(self.trainer.strategy.root_device))
            self._tell_of_features(self.data)
        self._make_ready()
        self._plan_batches()
        engage(self.trainer, self.task, self.data, self.cfg.trainer.get("steps_per_execution", "auto"))
        with _no_advice(self.task), _streams_closed(self.data), no_driver_loaded():
            self.trainer.fit(self.task, datamodule=self.data, ckpt_path=self._checkpoint, weights_only=True)
        if self.trainer.fit_loop.total_batch_idx < 0:
            raise NothingTrainedError(
                "no batch was trained on: the data have none, or trainer.max_time was over before the first"
            )
        if self.record.best.value is None:
            log.warning(
                "%s was never measured: there is no best epoch, and the last is tested", self.record.best.metric
            )

    def _tell_of_features(self, data: InMemoryData) -> None:
        """Log whether what a frozen body gives is computed once, or why it is not."""
        model = getattr(self.task, "model", None)
        if not isinstance(model, TransferNetwork):
            return
        if model.is_pretrained and data.scaling != "weights":
            log.info("data.scaling=%s: the weights were trained on images scaled by =weights", data.scaling)
        if data.features is not None:
            log.info("features of the frozen body are computed once: %d x %d", *data.features.shape)
            if data.views:
                log.info("and of %d augmented views of each training image", data.views)
        elif model.is_frozen:
            varied = f"{'augmentation varies' if data.variation else 'mixing changes'} images before the body"
            log.info("features of the frozen body are computed in every epoch: %s", model.why_not_once or varied)

    def _plan_batches(self) -> None:
        """Have batches that change their size made anew for each epoch; tell the task how many there will be."""
        if not isinstance(self.data, InMemoryData) or self.data.growth is None:
            return
        self.trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
        if isinstance(self.task, SupervisedTask):
            self.task.steps_in_all = _steps_in_all(self.trainer, self.data)

    def _make_ready(self) -> None:
        """Set the memory layout and the compilation of the network for the device."""
        mode, device = self.cfg.trainer.get("compile", "none"), self.trainer.strategy.root_device.type
        model = getattr(self.task, "model", None)
        if not isinstance(model, nn.Module):
            if mode != "none":
                log.warning("trainer.compile=%s: %s has no `model` to compile", mode, type(self.task).__name__)
            return
        if in_channels_last(model, device):
            log.info("channels_last: the weights of convolutions lie as kernels on %s want them", device)
        compiled(model, mode)

    def judge_resubstitution(self) -> None:
        """Measure the best weights on the samples they were trained on, for the .632 estimate of a bootstrap.

        Each `val/x` gets a companion `val/x_632`: 0.368 times its value on the resample trained on, and 0.632
        times the out-of-bag value. The weights are those of Efron (1983, section 6), who takes the first from a
        network trained on all samples once; here it is each resample's own.
        """
        assert isinstance(self.data, InMemoryData)
        self._load_best()
        trainer: Trainer = build_trainer(self.cfg, run_dir=self.folder, bare=True)
        with _no_advice(self.task), _streams_closed(self.data):
            trainer.validate(self.task, dataloaders=self.data.evaluation_dataloader("train"), verbose=False)
        for name, learnt in measures(trainer).items():
            if name in self.record.metrics:
                out_of_bag = self.record.metrics[name]
                self.record.metrics[f"{name}_632"] = (1 - _SHARE_632) * learnt + _SHARE_632 * out_of_bag

    def validated_by(self, source: Callable[[], tuple[Tensor, Tensor] | None]) -> None:
        """Set what returns predictions and targets of the last validation, where that takes place elsewhere."""
        self._validates.source = source

    def keep_validation(self, *, ended: bool = True) -> None:
        """Set `validation`: as the best epoch of this process had it, or measured again with the best weights.

        Args:
            ended: whether the training has ended by itself; else what is at hand is all there is.
        """
        if self.validation is not None or self.record.best.value is None:
            return
        gathered = None
        if self._validates.is_of_best and (ended or self.trainer.world_size == 1):
            gathered = self._validates.of_all(self.trainer)
        elif ended and isinstance(self.task, SupervisedTask):
            gathered = self._validate_best()
        if gathered is not None:
            places, predicted, targets = gathered
            self.validation = Predictions(self.plan.index, self._rows("val", places), predicted, targets)

    def _validate_best(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Measure the validation part with the best weights, which an earlier process has trained."""
        try:
            self._load_best()
        except CheckpointError as error:
            log.warning("%s is left out: %s", VALIDATION_FILE, error)
            return None
        again = ValidationPredictions(Best(self.record.best.metric, self.record.best.mode))
        with quiet(verbose=False), _no_advice(self.task), _streams_closed(self.data):
            trainer: Trainer = build_trainer(self.cfg, run_dir=self.folder, bare=True)
            trainer.validate(self.task, datamodule=self.data, verbose=False)
        assert isinstance(self.task, SupervisedTask)
        again.keep(self.task.validated)
        return again.of_all(trainer)

    def leave(self) -> None:
        """Write what a fit leaves beside its checkpoints: curves, predictions and figures of each class."""
        with written_together():
            write_curves(self.folder, self.record.curves, epochs=self.record.epochs)
            if self.validation is not None:
                names = names_of(self.data)
                if self._keeps:
                    write_validation(self.folder, self.validation, names)
                if self.validation.of_classes:
                    write_classes(self.folder, "val", [self.validation], names)

    def _rows(self, part: Literal["val", "test"], places: Tensor) -> Tensor:
        """Return the numbers of the samples at places of a part; of data that divide themselves, the places."""
        if not (isinstance(self.data, InMemoryData) or (isinstance(self.data, IndexedData) and part == "val")):
            return places
        return torch.from_numpy(self.data.rows_of(part))[places]

    def log_at(self, step: int) -> None:
        """Log at a step from now on: the weights that are tested were trained by another trainer."""
        set_logged_step(self.trainer, step)
        self._drop_figures_from(step)

    @property
    def can_be_tested(self) -> bool:
        """Whether the task and the data implement a test."""
        return is_overridden("test_step", self.task) and is_overridden("test_dataloader", self.data)

    @property
    def lacks_for_test(self) -> str:
        """What is not there that a test takes, in words."""
        if not is_overridden("test_step", self.task):
            return f"{type(self.task).__name__} has no test_step"
        return f"{type(self.data).__name__} has no test_dataloader"

    def test(self) -> tuple[dict[str, float], Predictions | None]:
        """Measure the test part once, with the best weights.

        Returns:
            `test/metric` → value, and the predictions if the task makes them.
        """
        self._load_best()
        with _no_advice(self.task), _streams_closed(self.data):
            self.trainer.test(self.task, datamodule=self.data, verbose=False)
        predictions = None
        if gathered := self._tests.of_all(self.trainer):
            places, predicted, targets = gathered
            predictions = Predictions(self.plan.index, self._rows("test", places), predicted, targets)
        return measures(self.trainer), predictions

    @property
    def untold(self) -> str:
        """What the task does not tell of the test, in a sentence; empty if it tells what it predicts."""
        return untold(self.task, "test", self._tests.lacking) if self._tests.lacking else ""

    @property
    def boards(self) -> list[Board]:
        """The loggers of this fit that are told how a run begins and ends."""
        return [logger for logger in self.trainer.loggers if isinstance(logger, Board)]

    @property
    def best_checkpoint(self) -> str | None:
        """The best checkpoint's path relative to the run's folder, if it was written."""
        written = any(isinstance(callback, BestAndLast) for callback in self.trainer.callbacks)  # type: ignore[attr-defined]
        path = BestAndLast.folder(self.trainer) / "best.ckpt"
        return path.relative_to(self._run_dir).as_posix() if written and path.is_file() else None

    @property
    def ending(self) -> Literal["completed", "early_stopped", "pruned"]:
        """How a training that ended by itself ended."""
        stoppers = [c for c in self.trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
        stopped = [stopper for stopper in stoppers if stopper.stopping_reason != EarlyStoppingReason.NOT_STOPPED]
        if stopped:
            return "early_stopped"
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return "pruned" if any(isinstance(each, Pruning) and each.pruned for each in callbacks) else "completed"

    def result(self, *, ended: bool = True) -> FitResult:
        """Return its figures so far.

        Args:
            ended: whether it ended by itself. One that was cut off has the figures of the best checkpoint: it may
                have judged an epoch that it could not save.
        """
        if not ended:
            self._take_saved_best()
        best, record, plan = self.record.best, self.record, self.plan
        return FitResult(
            index=plan.index,
            seed=plan.seed,
            repeat=plan.repeat,
            fold=plan.fold,
            status=self.ending,
            objective=Objective(best.metric, best.mode, best.value, best.epoch),
            metrics=dict(record.metrics),
            epochs=record.epochs,
            steps=self.trainer.global_step,
            seconds={
                "setup": record.setup_seconds,
                "train": record.train_seconds,
                "validate": record.validate_seconds,
                "test": record.test_seconds,
            },
            samples_per_second=record.samples_per_second,
            checkpoint=self.best_checkpoint,
            curves=record.curves,
        )

    def _drop_figures_from(self, step: int) -> None:
        """Make loggers drop what an earlier process wrote at this step and later."""
        for logger in self.trainer.loggers:
            if hasattr(logger, "purge_step"):
                logger.purge_step = step

    def require_best(self) -> None:
        """Read the best weights, if an epoch was the best: a figure that cannot be measured again does not count.

        Raises:
            CheckpointError: if they are missing or damaged.
        """
        checkpoints = [c for c in self.trainer.callbacks if isinstance(c, BestAndLast)]  # type: ignore[attr-defined]
        if checkpoints and checkpoints[0].best.value is not None:
            read_checkpoint(BestAndLast.folder(self.trainer) / "best.ckpt")

    def _take_saved_best(self) -> None:
        if self.best_checkpoint is not None:
            try:
                content = read_checkpoint(BestAndLast.folder(self.trainer) / "best.ckpt")
            except CheckpointError:
                return  # whoever wants it is told so
            if saved := content.get("callbacks", {}).get(self.record.state_key):
                self.record.best.value, self.record.best.epoch = saved["best"]
                self.record.metrics = saved["metrics"]

    def _load_best(self) -> None:
        """Load the best weights; where no epoch was the best, the last."""
        checkpoints = [c for c in self.trainer.callbacks if isinstance(c, BestAndLast)]  # type: ignore[attr-defined]
        if not checkpoints:
            return
        folder = BestAndLast.folder(self.trainer)
        had_a_best = checkpoints[0].best.value is not None or (folder / "best.ckpt").exists()
        path = folder / ("best.ckpt" if had_a_best else "last.ckpt")
        load_weights(self.task, read_checkpoint(path)["state_dict"], path)


def _steps_in_all(trainer: Trainer, data: InMemoryData) -> int | None:
    """Return the optimizer steps of a run whose batches change their size; None if it has no end."""
    most = trainer.max_steps if trainer.max_steps > 0 else None
    if trainer.max_epochs is None or trainer.max_epochs < 0:
        return most
    taken = (limited(data.batches_at(epoch, trainer.world_size), trainer) for epoch in range(trainer.max_epochs))
    steps = sum(-(-batches // trainer.accumulate_grad_batches) for batches in taken)
    return steps if most is None else min(steps, most)


@contextmanager
def _streams_closed(data: LightningDataModule) -> Iterator[None]:
    """End the processes that prepare batches when their consumer ends."""
    try:
        yield
    finally:
        if isinstance(data, InMemoryData):
            data.close_streams()


@contextmanager
def _no_advice(task: LightningModule) -> Iterator[None]:
    """Silence Lightning's advice on our own task: its metrics are of all processes, what is frozen stays so."""
    with warnings.catch_warnings():
        if isinstance(task, SupervisedTask):
            warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        yield


@contextmanager
def no_driver_loaded() -> Iterator[None]:
    """Make torch answer quickly that there is no GPU: an optimizer asks at every step.

    Lightning makes torch load NVIDIA's library for each answer, which takes a tenth of a small network's step.
    """
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    before = os.environ.get(name)
    if torch.cuda.is_available() or before is None:
        yield
        return
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ[name] = before
