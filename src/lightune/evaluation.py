"""Measure a finished run again, from its own configuration and checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from omegaconf import open_dict
from pytorch_lightning import seed_everything
from pytorch_lightning.utilities.model_helpers import is_overridden

from lightune.checkpoints import load_weights, read_checkpoint
from lightune.config.build import FitPlan, build_fit
from lightune.config.trainer import point_at
from lightune.errors import ConfigError, Problem
from lightune.reporting.data_file import require_same_data
from lightune.reporting.fits import mean_metrics
from lightune.run import prepare
from lightune.runtime.quiet import quiet
from lightune.training.resumption import load_run_config

__all__ = ["evaluate"]

_STEPS = {"test": "test", "val": "validation"}


def evaluate(
    run_dir: str | Path, *, split: Literal["test", "val"] = "test", checkpoint: str = "best"
) -> dict[str, float]:
    """Measure a checkpoint of a run on its test or validation part; nothing is written.

    Args:
        run_dir: the run's folder.
        split: which part to measure on.
        checkpoint: `best`, `last`, or the path of a file; of a run of several fits, one of theirs.

    Returns:
        `stage/metric` → value, the mean over the run's fits if it has several and no file is given; with the
        defaults, the test metrics of the run's `result.json` exactly.

    Raises:
        ConfigError: if the folder is no run, its configuration cannot run here, or the file is none of its fits'.
        CheckpointError: if a checkpoint is missing, as `best` is where the monitored metric was never measured, is
            damaged, or is not to be trusted.
    """
    folder = Path(run_dir)
    cfg = load_run_config(folder)
    cfg.logger = {}
    with open_dict(cfg):
        # however many processes trained it, and whatever compiled it
        cfg.trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "compile": "none"})
    named = checkpoint in ("best", "last")
    if not named:
        if not Path(checkpoint).exists():
            raise ConfigError([Problem("--checkpoint", f"must be best, last, or a file, got {checkpoint}")])
        read_checkpoint(Path(checkpoint))
    parts = prepare(cfg)
    assert parts.trainer is not None
    require_same_data(folder, parts.data)
    measured = []
    with quiet(verbose=False):
        trainer = point_at(parts.trainer, cfg, run_dir=folder, bare=True)
        for plan in parts.plans if named else [_owner(Path(checkpoint), parts.plans, folder)]:
            home = folder / "fits" / str(plan.index) if len(parts.plans) > 1 else folder
            file = home / "checkpoints" / f"{checkpoint}.ckpt" if named else Path(checkpoint)
            weights = read_checkpoint(file)["state_dict"]
            task = parts.task if plan.index == 0 else build_fit(cfg, parts.data, plan)
            load_weights(task, weights, file)
            seed_everything(cfg.seed, workers=True, verbose=False)
            measure = trainer.test if split == "test" else trainer.validate
            if not is_overridden(f"{_STEPS[split]}_step", task):
                step, other = f"{_STEPS[split]}_step", "val" if split == "test" else "test"
                raise ConfigError([Problem("task", f"{type(task).__name__} has no {step}; try --split {other}")])
            measure(task, datamodule=parts.data, verbose=False)
            measured.append({name: float(value) for name, value in trainer.callback_metrics.items()})
    return mean_metrics(measured)


def _owner(checkpoint: Path, plans: Sequence[FitPlan], run_dir: Path) -> FitPlan:
    """Return the fit that a checkpoint is measured as: other fits were trained on the rows that judge this one."""
    if len(plans) == 1:
        return plans[0]
    for plan in plans:
        if checkpoint.resolve().is_relative_to((run_dir / "fits" / str(plan.index)).resolve()):
            return plan
    rule = f"must be one of {run_dir}/fits/*/checkpoints/, for the run has {len(plans)} fits, got {checkpoint}"
    raise ConfigError([Problem("--checkpoint", rule)])
