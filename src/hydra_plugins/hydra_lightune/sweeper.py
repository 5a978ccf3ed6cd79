"""`hydra/sweeper=lightune`: the door to `lightune.study`, for any Hydra application.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.study.definition.identity import register_resolvers

if TYPE_CHECKING:
    from lightune.study.definition.definition import Definition

__all__ = ["LightuneSweeper", "LightuneSweeperConf"]


class LightuneSweeper(Sweeper):
    """Run a multirun as a study; the arguments are the keys of `LightuneSweeperConf`."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the study.

        Args:
            arguments: the task's overrides, with the sweeps.
        """
        from lightune.errors import ConfigError, StorageError, StudyFailedError
        from lightune.report.study_report import StudyReport
        from lightune.runtime.plain_text import say
        from lightune.study.sweep import sweep

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        try:
            return sweep(
                self.config,
                hydra_context=self.hydra_context,
                task_function=self.task_function,
                arguments=arguments,
                definition=_judged_before(self.hydra_context),
                report=StudyReport,
            )
        except (ConfigError, StorageError) as refusal:
            say(refusal, error=True)
            sys.exit(2)
        except StudyFailedError:  # it was said why
            sys.exit(1)


def _judged_before(hydra_context: HydraContext) -> "Definition | None":
    """Return what the callback that judged the study has read of it; None in an application without one."""
    takers = (getattr(callback, "take_definition", None) for callback in hydra_context.callbacks.callbacks)
    return next((take() for take in takers if take is not None), None)


@dataclass
class LightuneSweeperConf:
    """The keys of `hydra.sweeper`; in lightune's own application they follow `search` and `monitor`."""

    _target_: str = "hydra_plugins.hydra_lightune.sweeper.LightuneSweeper"
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"sampler": None}])
    sampler: Any = None
    pruner: Any = "${oc.select:search.pruner,null}"
    metric: Any = "${oc.select:monitor.metric,null}"
    mode: Any = "${oc.select:monitor.mode,min}"
    objectives: Any = "${oc.select:search.objectives,null}"
    study: Any = "${oc.select:search.study,null}"
    n_trials: Any = "${oc.select:search.n_trials,null}"
    n_jobs: Any = "${oc.select:search.n_jobs,null}"
    timeout: Any = "${oc.select:search.timeout,null}"
    storage: Any = "${oc.select:search.storage,null}"
    max_failures: Any = "${oc.select:search.max_failures,0.5}"
    retries: Any = "${oc.select:search.retries,0}"
    changed_code: Any = "${oc.select:search.changed_code,warn}"
    report: Any = "${oc.select:search.report,true}"
    keep_checkpoints: Any = "${oc.select:search.keep_checkpoints,all}"
    seed: Any = "${oc.select:search.seed,0}"
    space: Any = "${oc.select:search.space,null}"
    params: Any = None
    enqueue: Any = "${oc.select:search.enqueue,null}"
    gpus_per_job: Any = "${oc.select:search.gpus_per_job,1}"
    jobs_per_gpu: Any = "${oc.select:search.jobs_per_gpu,1}"
    fused_width: Any = "${oc.select:search.fused_width,null}"
    max_batch_size: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="lightune", node=LightuneSweeperConf, provider="hydra_lightune"
)
register_resolvers()
