"""Which code a configuration may name. YAML chooses among trusted parts; it never widens the trust.

What the shell says is read when this module is imported, and when a command begins: before any YAML, which can
change the environment of a job. This module must not import torch or Lightning.
"""

import os
from collections.abc import Sequence

_TORCHMETRICS = (
    "AUROC Accuracy AveragePrecision CalibrationError CohenKappa ConcordanceCorrCoef CosineSimilarity "
    "CriticalSuccessIndex ExactMatch ExplainedVariance F1Score FBetaScore HammingDistance HingeLoss JaccardIndex "
    "KLDivergence KendallRankCorrCoef LogAUC LogCoshError MatthewsCorrCoef MeanAbsoluteError "
    "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogError MinkowskiDistance NegativePredictiveValue "
    "NormalizedRootMeanSquaredError PearsonCorrCoef Precision R2Score Recall RelativeSquaredError "
    "SpearmanCorrCoef Specificity SymmetricMeanAbsolutePercentageError TweedieDevianceScore "
    "WeightedMeanAbsolutePercentageError"
)
"""Metrics of classes and values that torchmetrics names at its top; those of texts and images load networks."""

__all__ = ["inherit", "is_own", "is_trusted", "read_environment", "trust", "trusted", "whitelist"]

BUILT_IN = (
    "lightune.augmentation.*",
    "lightune.callbacks.*",
    "lightune.data.*",
    "lightune.losses.*",
    "lightune.metrics.*",
    "lightune.models.*",
    "lightune.optim.*",
    "lightune.regularization.*",
    "lightune.schedules.*",
    "lightune.tasks.*",
    "lightune.validation.*",
    "lightune.reporting.csv_logger.ResumableCSVLogger",
    "lightune.reporting.mlflow.MLflow",
    "lightune.reporting.tensorboard.TensorBoard",
    "lightune.reporting.wandb.WandB",
    "lightune.cli.preflight.Preflight",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.trainer.trainer.Trainer",
    "pytorch_lightning.callbacks.*",
    "pytorch_lightning.loggers.*",
    "torch.nn.*",
    "torch.optim.*",
    "torchmetrics.classification.*",
    "torchmetrics.regression.*",
    *(f"torchmetrics.{name}" for name in _TORCHMETRICS.split()),
    "hydra_plugins.hydra_lightune.*",
    "hydra_plugins.hydra_optuna_sweeper.*",
    "optuna.samplers.*",
    "optuna.pruners.*",
)
ENVIRONMENT_VARIABLE = "LIGHTUNE_TRUST"

_added: list[str] = []
_from_shell: list[str] = []


def read_environment() -> None:
    """Take the trust of LIGHTUNE_TRUST as it is now; what changes the variable later changes no trust."""
    named = [part.strip() for part in os.environ.get(ENVIRONMENT_VARIABLE, "").split(",")]
    _from_shell[:] = [name for name in named if name]


read_environment()


def trust(*packages: str) -> None:
    """Let configurations name the code of these packages, from now on in this process and those that it starts.

    Args:
        packages: dotted names such as `my_package`; everything below them is trusted.

    Raises:
        ValueError: if a name is no dotted name.
    """
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ValueError(f"trust takes dotted names of packages, got {package!r}")
        _added.append(package)


def trusted() -> tuple[str, ...]:
    """Return the packages that are trusted beside the parts that ship, by `trust` and by LIGHTUNE_TRUST."""
    return tuple(dict.fromkeys([*_added, *_from_shell]))


def inherit(packages: Sequence[str]) -> None:
    """Trust in this process what the one that started it trusts, and nothing else, whatever the environment says.

    Args:
        packages: as `trusted` returned them there.
    """
    _added[:], _from_shell[:] = packages, []


def whitelist() -> tuple[str, ...]:
    """Return the entries for Hydra's execution whitelist: ours, those of `trust`, those of LIGHTUNE_TRUST."""
    return (*BUILT_IN, *(entry for name in trusted() for entry in (name, f"{name}.*")))


def is_trusted(path: str) -> bool:
    """Tell whether a dotted path matches an entry; `package.*` matches all that lies below the package."""
    return any(path.startswith(entry[:-1]) if entry.endswith(".*") else path == entry for entry in whitelist())


def is_own(path: str) -> bool:
    """Tell whether a dotted path is, or lies below, a package that is trusted beside the parts that ship."""
    return any(path == name or path.startswith(f"{name}.") for name in trusted())
