"""Measure a finished run again, from its own configuration and checkpoint."""

from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer, seed_everything

from lightune.checkpoints import read_checkpoint
from lightune.config.build import build_trainer
from lightune.errors import ConfigError, Problem
from lightune.quiet import quiet
from lightune.run import prepare

__all__ = ["evaluate"]


def evaluate(
    run_dir: str | Path, *, split: Literal["test", "val"] = "test", checkpoint: str = "best"
) -> dict[str, float]:
    """Measure a checkpoint of a run on its test or validation part; nothing is written.

    Args:
        run_dir: the run's folder.
        split: which part to measure on.
        checkpoint: `best`, `last`, or the path of a file.

    Returns:
        `stage/metric` → value; with the defaults, the test metrics of the run's `result.json` exactly.

    Raises:
        ConfigError: if the folder is no run, or its configuration cannot run here.
        CheckpointError: if the checkpoint is missing, damaged or not to be trusted.
    """
    folder = Path(run_dir)
    cfg = load_config(folder)
    named = checkpoint in ("best", "last")
    weights = read_checkpoint(folder / "checkpoints" / f"{checkpoint}.ckpt" if named else Path(checkpoint))
    cfg.logger, cfg.callbacks = {}, {}
    parts = prepare(cfg)
    with quiet(verbose=False):
        trainer: Trainer = build_trainer(cfg, run_dir=folder)
        parts.task.load_state_dict(weights["state_dict"])
        seed_everything(cfg.seed, workers=True, verbose=False)
        measure = trainer.test if split == "test" else trainer.validate
        measure(parts.task, datamodule=parts.data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def load_config(run_dir: Path) -> DictConfig:
    """Load the configuration that a run kept.

    Raises:
        ConfigError: if the folder holds none.
    """
    file = run_dir / ".hydra" / "config.yaml"
    if not file.is_file():
        raise ConfigError([Problem(str(run_dir), "is no run: it has no .hydra/config.yaml")])
    cfg = OmegaConf.load(file)
    assert isinstance(cfg, DictConfig)
    return cfg
