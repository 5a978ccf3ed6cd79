"""The typed root: which keys a configuration has, what may stand in them, and what `build` adds to each group.

This module must not import torch or Lightning.
"""

from typing import Annotated, Any, Literal

from lightune.ranges import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    Seed,
    UnitInterval,
)

GROUPS = (
    "data",
    "augmentation",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "schedule",
    "regularization",
    "metrics",
    "validation",
    "callbacks",
    "trainer",
    "logger",
    "task",
)

OPTIONAL_GROUPS = ("augmentation", "schedule")
"""Groups that runs and studies of earlier versions do not have, which is what the option `none` of each says."""

GUIDE = "docs/your_own_code.md"
"""Where it says how to make parts of one's own."""

ROOT: dict[str, Any] = {
    "name": str,
    "note": str,
    "tags": list[str],
    "seed": Seed,
    "output_root": str,
    "test": bool,
    "resume": str | None,
    "from": str | None,
    "repeats": PositiveInt,
}
SEARCH: dict[str, Any] = {
    "study": str | None,
    "n_trials": PositiveInt | None,
    "n_jobs": PositiveInt | None,
    "timeout": PositiveFloat | None,
    "storage": str | None,
    "max_failures": NonNegativeInt | UnitInterval,
    "retries": NonNegativeInt,
    "changed_code": Literal["warn", "refuse"],
    "report": bool,
    "keep_checkpoints": str,
    "seed": Seed,
    "gpus_per_job": PositiveInt,
    "jobs_per_gpu": PositiveInt,
    "fused_width": Annotated[int, Range(ge=2)] | None,
}
"""The plain keys of `search`; those of SEARCH_NODES hold more than one value and are looked into by the study."""
SEARCH_NODES = ("space", "enqueue", "pruner", "objectives")
SEARCH_OF_RUNS: dict[str, Any] = {"keep_predictions": bool}
"""Keys of `search` that each run follows, trial or not; no sweeper knows them."""
MONITOR: dict[str, Any] = {"metric": str, "mode": Literal["min", "max"]}

# What `build` hands to a part by the name of its argument, so that nobody writes it by hand.
_SHAPES = ("input_shape", "num_outputs", "num_classes", "num_targets", "cardinalities")
SUPPLIED: dict[str, tuple[str, ...]] = {
    "data": ("output_root", "group_column"),
    "model": _SHAPES,
    "loss": ("num_classes", "num_targets", "class_counts"),
    "metrics": ("num_classes", "num_targets"),
    "optimizer": ("params", "hidden"),
    "scheduler": ("optimizer", "total_steps"),
    "logger": ("save_dir", "output_root"),
    "trainer": (),
    "task": (
        *_SHAPES,
        "model",
        "loss",
        "optimizer",
        "scheduler",
        "schedule",
        "metrics",
        "regularization",
        "target_scaler",
        "monitor",
    ),
}

EXTRA_METRIC = ("num_classes", "num_outputs", "task", "average")
"""What `build` supplies to a metric below `metrics.extra`, where its signature asks for it."""

OF_ANY_METRIC = ("compute_on_cpu", "compute_with_cache", "dist_sync_on_step", "sync_on_compute")
"""What every metric of torchmetrics takes as `**kwargs`, and nothing else."""

# Arguments of Lightning's Trainer that lightune sets, and where to say the same thing.
TRAINER_TAKEN = {
    "logger": "choose the logger group instead",
    "callbacks": "use the callbacks group instead",
    "plugins": "lightune sets it",
    "default_root_dir": "set output_root instead",
    "gradient_clip_val": "set regularization.gradient_clip instead",
    "enable_checkpointing": "use callbacks.checkpoint, or remove it with ~callbacks.checkpoint",
    "enable_progress_bar": "lightune sets it",
    "enable_model_summary": "lightune sets it",
    "fast_dev_run": "use trainer=smoke instead",
    "barebones": "lightune needs the metrics that it switches off",
    "enable_autolog_hparams": "lightune sets it",
}

# Keys of the trainer group that are lightune's and no argument of Lightning's Trainer.
TRAINER_OURS: dict[str, Any] = {
    "steps_per_execution": PositiveInt | Literal["auto"],
    "compile": Literal["none", "default", "reduce-overhead", "max-autotune"],
    "lr_find": bool,
    "batch_size_find": bool,
    "portable": bool,
}

TRAINER_OURS_SAID = {
    "steps_per_execution": "minibatches that one step of Lightning's takes; auto: 64 at most, or 1.",
    "compile": "how torch.compile makes code of the network; none: not at all.",
    "lr_find": "whether optimizer.lr is found before training, by a range test on a copy of the network.",
    "portable": "whether a CPU computes as any x86-64 one with AVX2 does, to the same last digit.",
    "batch_size_find": "whether data.batch_size is found before training, as large as fits into memory.",
}

Betas = tuple[Probability, Probability]
PRECISIONS = (
    "auto", "64-true", "32-true", "16-true", "16-mixed", "bf16-true", "bf16-mixed",
    "transformer-engine", "transformer-engine-float16", "64", "32", "16", "bf16", 64, 32, 16,
)  # fmt: skip
SHARE = Annotated[int, Range(gt=0)] | Annotated[float, Range(gt=0, le=1)] | None
LIMIT = Annotated[int, Range(gt=0)] | Annotated[float, Range(ge=0, le=1)] | None

# Ranges of arguments whose constructors are not ours: by the package of the target, then by argument.
FOREIGN: dict[str, dict[str, Any]] = {
    "torch.optim.lr_scheduler.ReduceLROnPlateau": {"factor": Probability},
    "torch.optim.lr_scheduler.": {
        "gamma": PositiveFloat,
        "step_size": PositiveInt,
        "T_max": PositiveInt,
        "T_0": PositiveInt,
        "T_mult": PositiveInt,
        "power": NonNegativeFloat,
        "eta_min": NonNegativeFloat,
        "factor": UnitInterval,
        "total_iters": NonNegativeInt,
        "patience": NonNegativeInt,
        "threshold": NonNegativeFloat,
        "min_lr": NonNegativeFloat,
        "cooldown": NonNegativeInt,
        "max_lr": PositiveFloat,
    },
    "torch.optim.": {
        "lr": PositiveFloat,
        "betas": Betas,
        "eps": NonNegativeFloat,
        "alpha": Probability,
        "momentum": Probability,
        "dampening": UnitInterval,
        "weight_decay": NonNegativeFloat,
        "lr_decay": NonNegativeFloat,
        "initial_accumulator_value": NonNegativeFloat,
        "rho": Probability,
        "momentum_decay": NonNegativeFloat,
    },
    "pytorch_lightning.callbacks.": {
        "patience": PositiveInt,
        "min_delta": NonNegativeFloat,
        "mode": Literal["min", "max"],
        "every_n_epochs": PositiveInt | None,
    },
    "pytorch_lightning.trainer.": {
        "max_epochs": PositiveInt,
        "min_epochs": PositiveInt | None,
        "max_steps": PositiveInt | Literal[-1],
        "devices": PositiveInt | Literal["auto"] | list[NonNegativeInt] | str,
        "num_nodes": PositiveInt,
        "precision": Literal[PRECISIONS],
        "accelerator": Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"],
        "accumulate_grad_batches": PositiveInt,
        "limit_train_batches": SHARE,
        "limit_val_batches": LIMIT,
        "limit_test_batches": LIMIT,
        "overfit_batches": NonNegativeInt | UnitInterval,
        "check_val_every_n_epoch": PositiveInt | None,
        "num_sanity_val_steps": NonNegativeInt,
        "log_every_n_steps": PositiveInt,
        "gradient_clip_algorithm": Literal["norm", "value"] | None,
    },
}

# What such arguments are for, where no docstring can be read from the source: torch puts those of its optimizers
# together when it is imported.
FOREIGN_SAID: dict[str, dict[str, str]] = {
    "torch.optim.": {
        "lr": "learning rate: how far a step goes.",
        "betas": "decays of the averages of the gradient and of its square.",
        "eps": "what is added to the denominator, so that it is not 0.",
        "alpha": "decay of the average of the squared gradient.",
        "momentum": "share of the last step that is taken again.",
        "dampening": "share of the gradient that momentum leaves out.",
        "nesterov": "whether momentum looks ahead, as Nesterov's does.",
        "weight_decay": "how strongly weights are pulled to 0: apart from the gradient in AdamW and with "
        "decoupled_weight_decay, as a part of it in all others.",
        "lr_decay": "how fast the learning rate falls with the steps.",
        "initial_accumulator_value": "where the sums of squared gradients begin.",
        "momentum_decay": "how fast the momentum's decay grows to its final value.",
        "amsgrad": "whether the largest average so far is divided by, and not the last one.",
        "centered": "whether the gradient's variance is divided by, and not its mean square.",
        "decoupled_weight_decay": "whether weights decay apart from the gradient, as in adamw.",
        "maximize": "whether the objective is made larger, and not smaller.",
        "foreach": "whether torch updates all parameters by operations on lists of them; null: lightune chooses.",
        "fused": "whether torch updates all parameters in one kernel; null: lightune chooses.",
        "capturable": "whether steps can be captured in a CUDA graph.",
        "differentiable": "whether steps can be differentiated; slow.",
    },
}


def foreign_sentence(path: str, argument: str) -> str | None:
    """Return what is known to say of an argument of a constructor that is not ours, or None."""
    return next((known.get(argument) for package, known in FOREIGN_SAID.items() if path.startswith(package)), None)


def takes_more(path: str, argument: str) -> bool:
    """Tell whether a target that takes `**kwargs` may take an argument; of torchmetrics it is known which."""
    return not path.startswith("torchmetrics.") or argument in OF_ANY_METRIC


def foreign_annotation(path: str, argument: str) -> Any:
    """Return the range known for an argument of a constructor that is not ours, or None."""
    for package, known in FOREIGN.items():
        if path.startswith(package) and argument in known:
            return known[argument]
    return None
