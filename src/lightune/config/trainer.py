"""The trainer of a configuration: made once a fit, before anything is written, and pointed at the fit's folder.

What no public name of Lightning does stands in `lightune.private_api.lightning`:

- `set_default_root_dir`, watched by
  tests/config/test_trainer.py::test_a_trainer_is_pointed_at_the_folder_of_its_fit;
- `installed_packages_read_once`, watched by
  tests/config/test_trainer.py::test_installed_packages_are_looked_through_once.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor
from pytorch_lightning.loggers import Logger

from lightune.checkpoints import WholeCheckpointIO
from lightune.config import schema
from lightune.config.instantiate import bind, make, naming_key
from lightune.errors import ConfigError, Problem
from lightune.paths import expanded
from lightune.private_api.lightning import installed_packages_read_once, set_default_root_dir
from lightune.runtime.hardware import resolved_precision, use_matmul_precision
from lightune.runtime.last_digits import not_portable
from lightune.secrets import secret_values

__all__ = ["build_loggers", "build_trainer", "make_trainer", "point_at"]


def make_trainer(cfg: DictConfig) -> Trainer:
    """Make the trainer of a configuration with its callbacks, without loggers and without a folder.

    Raises:
        ConfigError: if Lightning refuses its arguments, a callback refuses its own, or the device is not there.
    """
    nodes = {key: node for key, node in cfg.callbacks.items() if node is not None}  # null: it was left out
    callbacks = [make("callbacks", node, {}, f"callbacks.{key}") for key, node in nodes.items()]
    if not cfg.logger:
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    _require_device(cfg.trainer)
    _use_portable_arithmetic(cfg.trainer)
    with naming_key("trainer"):
        plain = OmegaConf.to_container(cfg.trainer, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        factory = bind({key: value for key, value in plain.items() if key not in schema.TRAINER_OURS})
        with installed_packages_read_once():
            trainer: Trainer = factory(
                precision=_precision(cfg.trainer),
                logger=False,
                callbacks=callbacks,
                plugins=[WholeCheckpointIO(secret_values(cfg))],
                default_root_dir=expanded(cfg.output_root),
                gradient_clip_val=cfg.regularization.get("gradient_clip"),
                enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_autolog_hparams=False,
            )
    _use_matmul_precision(cfg, trainer)
    return trainer


def point_at(
    trainer: Trainer, cfg: DictConfig, *, run_dir: Path, first: Sequence[Callback] = (), bare: bool = False
) -> Trainer:
    """Point a trainer at the folder of its fit, with its loggers; nothing is written yet.

    Args:
        trainer: as `make_trainer` returns it.
        cfg: what it was made of.
        run_dir: where it will write.
        first: callbacks that are called before those of the configuration.
        bare: whether the callbacks and loggers of the configuration are left out: to measure, not to train.

    Returns:
        The same trainer.
    """
    set_default_root_dir(trainer, str(run_dir))
    trainer.loggers = [] if bare else build_loggers(cfg, run_dir)
    configured: list[Callback] = [] if bare else trainer.callbacks  # type: ignore[attr-defined]
    trainer.callbacks = [*first, *configured]  # type: ignore[attr-defined]  # checkpoints stay the last, as Lightning wants them
    _use_matmul_precision(cfg, trainer)  # other runs of this process may have changed it since
    return trainer


def build_trainer(
    cfg: DictConfig, *, run_dir: Path, watchers: Sequence[Callback] = (), bare: bool = False
) -> Trainer:
    """Make the trainer of a configuration, ready to write into a folder.

    Args:
        cfg: a validated configuration.
        run_dir: where it will write.
        watchers: callbacks that are called before those of the configuration.
        bare: as for `point_at`.

    Raises:
        ConfigError: as `make_trainer`.
    """
    return point_at(make_trainer(cfg), cfg, run_dir=run_dir, first=watchers, bare=bare)


def build_loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """Make the loggers of a configuration, to write into a folder; nothing is written yet.

    Args:
        cfg: the configuration.
        folder: the run's, or the fit's.

    Raises:
        ConfigError: if one refuses its arguments.
    """
    supply = {"save_dir": lambda: str(folder), "output_root": lambda: os.path.abspath(expanded(cfg.output_root))}
    return [make("logger", node, supply, f"logger.{key}") for key, node in cfg.logger.items()]


def _use_matmul_precision(cfg: DictConfig, trainer: Trainer) -> None:
    use_matmul_precision(trainer.strategy.root_device.type, deterministic=bool(cfg.trainer.get("deterministic")))


def _require_device(trainer: DictConfig) -> None:
    accelerator, precision = trainer.get("accelerator", "auto"), str(trainer.get("precision", "auto"))
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if accelerator in ("gpu", "cuda") and not has_gpu:
        rule = f"there is no GPU that torch can use here; choose trainer=cpu or trainer=auto, got {accelerator}"
        raise ConfigError([Problem("trainer.accelerator", rule)])
    if precision.startswith("16") and (accelerator == "cpu" or not has_gpu):
        rule = f"needs a GPU; choose 32-true or bf16-mixed, got {precision}"
        raise ConfigError([Problem("trainer.precision", rule)])


def _use_portable_arithmetic(trainer: DictConfig) -> None:
    """Compute as any x86-64 processor does, if it is asked for; which way that is was decided when torch came.

    Raises:
        ConfigError: if that cannot be.
    """
    if not trainer.get("portable", False):
        return
    problem, on = None, trainer.get("accelerator", "auto")
    if on != "cpu" and (on != "auto" or torch.cuda.is_available()):
        problem = f"is about the CPU's arithmetic: choose trainer.accelerator=cpu, got {on}"
    elif missing := not_portable():
        typed = " ".join(f"{name}={value}" for name, value in missing.items())
        problem = f"is decided when torch is imported, which it is: start the process with {typed}"
    elif (way := torch.backends.cpu.get_cpu_capability()) != "AVX2":
        problem = f"needs a processor with AVX2, and torch imported after the variables were set, got {way}"
    if problem is not None:
        raise ConfigError([Problem("trainer.portable", problem)])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def _precision(trainer: DictConfig) -> Any:
    """Resolve `auto` for the device that the trainer will take."""
    on_cuda = trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    has_bf16 = on_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return resolved_precision(trainer.get("precision", "auto"), on_cuda=on_cuda, has_bf16=has_bf16)
