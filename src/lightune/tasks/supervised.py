"""Learning from inputs with known targets."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Protocol, cast

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightune.checkpoints import AVERAGED, DESCRIBED, as_measured
from lightune.data.loader import Batch, MixedBatch
from lightune.data.scaling import Affine
from lightune.errors import ConfigError, Problem
from lightune.losses import CrossEntropy
from lightune.losses.classification import ClassWeighted, mixed_loss
from lightune.metrics.meter import MetricSet, StageMeter
from lightune.models.transfer import ParameterGroup, TransferNetwork
from lightune.optim.fused import fused
from lightune.optim.muon import hidden_weights
from lightune.private_api.lightning import log_measures, trainer_of
from lightune.regularization import Regularization, WeightAverage
from lightune.schedules import Growth, rate_left

OptimizerFactory = Callable[[Iterable[Tensor]], Optimizer]
SchedulerFactory = Callable[..., LRScheduler]
STAGES = ("train", "val", "test")
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_MOST_DROPPED = 0.9  # by a dropout that grows


class ChunkedSteps(Protocol):
    """What takes the steps of a chunk of minibatches, where a training step is given many at once."""

    @property
    def accumulated(self) -> int:
        """Minibatches whose gradients one optimizer step takes, > 0."""

    @property
    def holds_gradients(self) -> bool:
        """Whether the minibatch that was handed on adds to gradients of those before it."""

    @property
    def total_steps(self) -> int | None:
        """Optimizer steps in the whole run, > 0; None if it has no end."""

    def all_but_last(self, task: Any, chunk: Batch | MixedBatch) -> Batch | MixedBatch:
        """Train a task on each minibatch of a chunk but the last; return that one."""

    def in_minibatches(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint count minibatches instead of chunks."""

    def in_chunks(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint count chunks instead of minibatches."""


class SupervisedTask(LightningModule):
    """Put a model, a loss, an optimizer, a scheduler, metrics and regularization together.

    Args:
        model: maps inputs (B, …) to outputs (B, K).
        loss: maps outputs and targets to a scalar mean. It may have `predict`, from outputs to predictions;
            else softmax is taken for classes, the outputs themselves for values.
        optimizer: makes an optimizer of parameters.
        scheduler: makes a learning-rate scheduler of an optimizer. One that takes `total_steps` is given the
            length of the run and stepped once an optimizer step, any other once an epoch.
        metrics: what is measured.
        regularization: the strengths; its penalty is added to the training loss.
        target_scaler: scales the targets that the loss sees; metrics see the real ones. None for classes.
        num_classes: number of classes; 0 for regression.
        monitor: name of the metric that a `ReduceLROnPlateau` follows.
        schedule: how the strengths of regularization change from epoch to epoch; None leaves them.
        decay: which parameters an optimizer's `weight_decay` holds back: `all`, or `weights`, those with two or
            more dimensions, and no biases and scales of a norm.

    Attributes:
        steps_in_all: optimizer steps in the whole run where the data plan them; None where the trainer knows them.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        metrics: MetricSet,
        regularization: Regularization,
        target_scaler: Affine | None = None,
        num_classes: int = 0,
        monitor: str = "val/loss",
        schedule: Growth | None = None,
        decay: Literal["all", "weights"] = "all",
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.regularization = regularization
        self.target_scaler = target_scaler
        self.num_classes = num_classes
        self.monitor = monitor
        self.metrics = metrics
        self.schedule = schedule
        self.decay = decay
        _smooth(loss, regularization.label_smoothing)
        self.steps_in_all: int | None = None
        self.described: dict[str, Any] | None = None  # what predictions of new samples need beside the weights
        self.lean: ChunkedSteps | None = None  # set where a step is given many minibatches
        self.average: WeightAverage | None = None  # of the model's weights, while it is trained
        self._averaged: dict[str, Any] | None = None  # that a checkpoint has
        self._make_optimizer = optimizer
        self._prepared: tuple[Optimizer, bool] | None = None  # and whether it may be fused
        self._largest_batch = 0  # of the epoch
        self._dropouts = [(each, each.p) for each in model.modules() if isinstance(each, _DROPOUTS)]
        self._make_scheduler = scheduler
        self._predict: Callable[[Tensor], Tensor] = getattr(loss, "predict", self._plain_prediction)
        self._meters = {stage: StageMeter(metrics, stage, self.predictions) for stage in STAGES}
        self.meters = nn.ModuleDict({f"{stage}_meter": meter for stage, meter in self._meters.items()})

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs x: (B, …) to outputs (B, K)."""
        outputs: Tensor = self.model(x)
        return outputs

    def predictions(self, outputs: Tensor) -> Tensor:
        """Map outputs (B, K) to class probabilities (B, C), or to values (B, T) in the units of the target."""
        predicted = self.plain_predictions(outputs)
        return self.target_scaler.inverse(predicted) if self.target_scaler else predicted

    def plain_predictions(self, outputs: Tensor) -> Tensor:
        """Map outputs (B, K) to class probabilities (B, C), or to values (B, T) as the loss sees them."""
        return self._predict(outputs)

    def wanted(self, target: Tensor) -> Tensor:
        """Map targets (B, …) to what the loss compares outputs with: scaled, if there is a scaler."""
        return target if self.target_scaler is None else self.target_scaler(target)

    def training_step(self, batch: Batch | MixedBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, the penalty of the weights included."""
        if self.lean is not None:
            batch = self.lean.all_but_last(self, batch)
        loss = self.training_loss(batch)
        if self.lean is not None and self.lean.accumulated > 1:
            loss = loss / self.lean.accumulated
        if self.trainer.is_last_batch:
            # here and not at the epoch's end, where callbacks that judge the epoch would not see it yet
            self._publish({**self._meters["train"].read(), **self._scheduled()})
        return loss

    def on_train_start(self) -> None:
        """Set what the epoch under way, which may be one that is resumed, has of its own."""
        self.average = self.regularization.average_of(self.model)
        if self.average is not None and self._averaged is not None:
            self.average.load_state_dict(self._averaged)
        self._averaged = None
        self._begin_epoch()

    def optimizer_step(self, *arguments: Any, **settings: Any) -> None:
        """Take a step, and the weights that it leaves into their average."""
        super().optimizer_step(*arguments, **settings)
        self.after_step()
        first = self.regularization.swa
        if self.average is None or first is None or not self.trainer.is_last_batch:
            return
        if self.trainer.current_epoch >= first * (self.trainer.max_epochs or 0):
            self.average.update()

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Forget the gradients, unless those of a batch are to be added to them."""
        if self.lean is None or not self.lean.holds_gradients:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def after_step(self) -> None:
        """Take the weights that an optimizer step has left into an average over steps."""
        if self.average is not None and self.regularization.ema:
            self.average.update()

    def on_validation_epoch_start(self) -> None:
        """Judge the averages of the weights, where there are some."""
        is_fitted = self.trainer.state.fn == TrainerFn.FITTING and not self.trainer.sanity_checking
        if self._judges_averages and is_fitted:
            self.average.swap()  # type: ignore[union-attr]

    def on_fit_end(self) -> None:
        """Leave the averages of the weights in the network."""
        if self._judges_averages:
            self.average.swap()  # type: ignore[union-attr]
        self.average = None

    @property
    def _judges_averages(self) -> bool:
        """Whether averages of the weights are judged and saved in their place."""
        return self.average is not None and self.average.updates > 0

    def on_train_epoch_start(self) -> None:
        """Set what the epoch that begins has of its own: strengths, and what is trained."""
        self._largest_batch = 0
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        if isinstance(self.model, TransferNetwork):
            self.model.at_epoch(self.trainer.current_epoch)
        if self.schedule is None or self.schedule.regularization_growth == 1:
            return
        factor = self.schedule.strength_factor(self.trainer.current_epoch, rate_left(self.trainer.optimizers))
        self.regularization.factor = factor
        for module, probability in self._dropouts:
            module.p = min(probability * factor, max(probability, _MOST_DROPPED))

    def _scheduled(self) -> dict[str, Tensor]:
        """Return what a schedule has made of batch size and strengths, as curves."""
        if self.schedule is None:
            return {}
        shown: dict[str, float] = {}
        if self.schedule.batch_growth != 1:
            shown["train/batch_size"] = self._largest_batch
        if self.schedule.regularization_growth != 1:
            strengths = {name: getattr(self.regularization, name) for name in ("l1", "l2")}
            shown |= {
                f"train/{name}": each * self.regularization.factor for name, each in strengths.items() if each
            }
            if self._dropouts:
                shown["train/dropout"] = max(module.p for module, _ in self._dropouts)
        return {name: torch.tensor(float(value)) for name, value in shown.items()}

    def training_loss(self, batch: Batch | MixedBatch) -> Tensor:
        """Return the loss of a batch, the penalty of the weights included, and measure the batch."""
        loss = self._measure("train", batch)[0] if len(batch) == 2 else self._measure_mixed(batch)
        self._largest_batch = max(self._largest_batch, len(batch[1]))
        penalty = self.regularization.penalty(self.model)
        return loss if penalty is None else loss + penalty

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch of the validation part."""
        self._measure("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure a batch of the test part; return its predictions."""
        _, outputs = self._measure("test", batch)
        return self.predictions(outputs)

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        """Return the predictions of a batch."""
        return self.predictions(self(batch if isinstance(batch, Tensor) else batch[0]))

    @property
    def validated(self) -> tuple[Tensor, Tensor] | None:
        """What the last validation predicted (N, …), and its targets (N, …), in this process."""
        return self._meters["val"].last

    def on_train_epoch_end(self) -> None:
        """Log what the training part measured in an epoch that ended before its last batch."""
        if self._meters["train"].has_samples:
            self.log_dict({**self._meters["train"].read(), **self._scheduled()})

    def on_validation_epoch_end(self) -> None:
        """Log what the validation part measured."""
        if self.average is not None and self.average.is_swapped:
            self.average.swap()
        measures = self._meters["val"].read()
        if not self.trainer.sanity_checking:
            self._publish(measures)

    def on_test_epoch_end(self) -> None:
        """Log what the test part measured."""
        self.log_dict(self._meters["test"].read())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what predictions need, and what an unfinished epoch has measured, for figures of all of it."""
        if self.described is not None:
            checkpoint[DESCRIBED] = self.described
        if self.average is not None and self._judges_averages:
            self._save_averages(checkpoint, self.average)
        if self.lean is not None:
            self.lean.in_minibatches(checkpoint)
        meter = self._meters["train"]
        if not meter.has_samples:
            return
        pending: list[dict[str, Any]] = [meter.pending()]
        if self.trainer.world_size > 1:
            pending = pending * self.trainer.world_size
            torch.distributed.all_gather_object(pending, meter.pending())
        checkpoint["pending_measures"] = pending

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Resume from what an unfinished epoch had measured."""
        if self.lean is not None:
            self.lean.in_chunks(checkpoint)
        self._averaged = checkpoint.get(AVERAGED)
        pending = checkpoint.get("pending_measures", [])
        if len(pending) == self.trainer.world_size:
            self._meters["train"].resume(pending[self.trainer.global_rank])

    @staticmethod
    def _save_averages(checkpoint: dict[str, Any], average: WeightAverage) -> None:
        """Let a checkpoint have the averages as its weights, and beside them what training goes on with."""
        checkpoint[AVERAGED] = average.state_dict()
        own = checkpoint["state_dict"]
        own.update({f"model.{name}": value for name, value in average.trained.items()})
        averaged = {f"model.{name}": value for name, value in average.averaged.items()}
        as_measured(checkpoint, {name: averaged.get(name, value) for name, value in own.items()})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer, and make its learning-rate scheduler."""
        optimizer = self._take_prepared() or self.make_optimizer()
        total_steps = 0
        if self.schedules_steps:
            lean = self.lean.total_steps if self.lean is not None else None
            total_steps = self.steps_in_all or lean or int(self.trainer.estimated_stepping_batches)
        scheduler = self.make_scheduler(optimizer, total_steps=total_steps)
        plan: dict[str, Any] = {
            "scheduler": scheduler,
            "interval": "step" if self.schedules_steps else "epoch",
            "name": "train/lr",
        }
        if isinstance(scheduler, ReduceLROnPlateau):
            plan["monitor"] = self.monitor
            if self.monitor.startswith("val/"):  # until the next validation it is the same figure again
                plan["frequency"] = self.trainer.check_val_every_n_epoch or 1
        return {"optimizer": optimizer, "lr_scheduler": plan}  # type: ignore[return-value]

    @property
    def schedules_steps(self) -> bool:
        """Whether the learning rate moves with every optimizer step, else with every epoch."""
        return takes_total_steps(self._make_scheduler)

    @property
    def steps_with_closure(self) -> bool:
        """Whether a step of the optimizer must be given what computes the loss, as that of LBFGS must."""
        step = getattr(getattr(self._make_optimizer, "func", self._make_optimizer), "step", None)
        closure = None if step is None else inspect.signature(step).parameters.get("closure")
        return closure is not None and closure.default is inspect.Parameter.empty

    def make_optimizer(self, parameters: Iterable[Tensor] | None = None) -> Optimizer:
        """Make an optimizer of the parameters that are trained, or of those given in their stead."""
        own = self._trained_parameters()
        make = fused(self._make_optimizer) if self._may_fuse(own) else self._make_optimizer
        if parameters is not None:
            return make(parameters)
        if _takes(make, "hidden"):
            make = partial(cast(Any, make), hidden=hidden_weights(self.model))
        together = self._divided(self._groups())
        if not together[1:]:
            return make(own)
        optimizer = make(together)  # type: ignore[arg-type]
        for group in optimizer.param_groups:
            group["lr"] *= group.pop("scale")
        return optimizer

    def _divided(self, groups: list[ParameterGroup]) -> list[dict[str, Any]]:
        """Return groups as an optimizer takes them, divided once more where only weights are to decay."""
        if self.decay == "all":
            return [{"params": parameters, "scale": scale} for scale, parameters in groups]
        divided: list[dict[str, Any]] = []
        for scale, parameters in groups:
            weights = [each for each in parameters if each.ndim >= 2]
            others = [each for each in parameters if each.ndim < 2]
            divided += [{"params": weights, "scale": scale}] if weights else []
            divided += [{"params": others, "scale": scale, "weight_decay": 0.0}] if others else []
        return divided

    def _groups(self) -> list[ParameterGroup]:
        """Return the parameters that are trained at some time, by what their learning rate is multiplied by."""
        if not isinstance(self.model, TransferNetwork):
            return [(1.0, [each for each in self.parameters() if each.requires_grad])]
        of_model = {id(each) for each in self.model.parameters()}
        others = [each for each in self.parameters() if id(each) not in of_model and each.requires_grad]
        (scale, head), *rest = self.model.parameter_groups()
        return [(scale, [*head, *others]), *rest]

    def prepare_optimizer(self) -> Optimizer:
        """Make the optimizer now; a training that begins with the same parameters is given this one."""
        optimizer = self.make_optimizer()
        self._prepared = optimizer, self._may_fuse(self._trained_parameters())
        return optimizer

    def _take_prepared(self) -> Optimizer | None:
        """Return the prepared optimizer once; None if the parameters were replaced, as sharding does, or moved."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return None
        optimizer, fused_then = prepared
        own = self._trained_parameters()
        held = {id(each) for group in optimizer.param_groups for each in group["params"]}
        return optimizer if held == {id(each) for each in own} and fused_then == self._may_fuse(own) else None

    def _trained_parameters(self) -> list[nn.Parameter]:
        return [parameter for _, parameters in self._groups() for parameter in parameters]

    def _may_fuse(self, parameters: list[nn.Parameter]) -> bool:
        """Return True if a fused optimizer can do what is asked of it."""
        trainer = trainer_of(self)
        scales = trainer is not None and isinstance(trainer.precision_plugin, MixedPrecision)
        if scales and getattr(trainer, "gradient_clip_val", None) is not None:  # which Lightning refuses
            return False
        return all(each.device.type in ("cpu", "cuda") and each.is_floating_point() for each in parameters)

    def make_scheduler(self, optimizer: Optimizer, *, total_steps: int) -> LRScheduler:
        """Make a scheduler of an optimizer; one that takes `total_steps` is given it."""
        for group in optimizer.param_groups:  # which a plateau does not note
            group.setdefault("initial_lr", group["lr"])
        extra = {"total_steps": total_steps} if self.schedules_steps else {}
        return self._make_scheduler(optimizer, **extra)

    def _publish(self, measures: dict[str, Tensor]) -> None:
        """Give the figures of an epoch to callbacks and loggers, at the step under way.

        `log_dict` does that too, and takes as long for six figures as a small network for six steps.
        """
        self.trainer.callback_metrics.update(measures)
        log_measures(self.trainer, measures)

    def _measure(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """Measure a batch; return its loss and its outputs."""
        x, target = batch
        outputs = self(x)
        loss: Tensor = self.loss(outputs, self.wanted(target))
        self._meters[stage].add(loss, outputs, target)
        return loss, outputs

    def _measure_mixed(self, batch: MixedBatch) -> Tensor:
        """Measure a training batch of mixed samples by their own classes; return its loss."""
        x, target, other, share = batch
        assert isinstance(self.loss, ClassWeighted)
        outputs = self(x)
        loss = mixed_loss(self.loss, outputs, target, other, share)
        self._meters["train"].add(loss, outputs, target)
        return loss

    def _plain_prediction(self, outputs: Tensor) -> Tensor:
        return outputs.float().softmax(dim=1) if self.num_classes else outputs.float()


def _smooth(loss: nn.Module, share: float) -> None:
    """Let a loss smooth its targets in training.

    Raises:
        ConfigError: if it cannot, or does so already.
    """
    key = "regularization.label_smoothing"
    if not share:
        return
    if not isinstance(loss, CrossEntropy):
        rule = f"smooths the targets of cross-entropy, and {type(loss).__name__} has none"
        raise ConfigError([Problem(key, f"{rule}; choose loss=cross_entropy, or {key}=0")])
    if loss.label_smoothing:
        raise ConfigError([Problem(key, "is the same as loss.label_smoothing, which is set, too; remove one")])
    loss.label_smoothing = share


def takes_total_steps(factory: SchedulerFactory) -> bool:
    """Return True if a scheduler's factory takes the number of optimizer steps in the run."""
    return _takes(factory, "total_steps")


def _takes(factory: Callable[..., Any], name: str) -> bool:
    """Return True if a factory has an argument that nobody has given yet."""
    function = getattr(factory, "func", factory)
    given = getattr(factory, "keywords", None) or {}
    return name in inspect.signature(function).parameters and name not in given
