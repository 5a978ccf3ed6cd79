"""What executors of tests are made for: a small multirun whose task does as it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from lightune.study.definition.settings import Objective, Settings
from lightune.study.executors.context import ExecutorContext

MINIMIZED = (Objective(None, "min"),)


def context_of(
    task: Any = None, *, study: Path | None = None, config: DictConfig | None = None, **changes: Any
) -> ExecutorContext:
    """Return a context; where `study` is a folder, of a study that minimizes what the task returns."""
    settings = changes.pop("settings", Settings(MINIMIZED))
    context = ExecutorContext(
        config=config if config is not None else OmegaConf.create({"hydra": {"launcher": {}}}),
        hydra_context=HydraContext(config_loader=None, callbacks=None),
        task_function=task,
        settings=settings,
        n_left=changes.pop("n_left", 10),
        study=study,
    )
    return replace(context, **changes)
