"""Judge a configuration before Hydra makes a folder for it.

Hydra makes a run's folder before it calls the task, so a refusal that leaves nothing behind has to come from a
callback. This module must not import torch or Lightning at its top: refusals that need neither come without them.
"""

import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightune.errors import ConfigError
from lightune.job.handover import handover
from lightune.paths import outer_rank, torchrun_size
from lightune.runtime.plain_text import say
from lightune.runtime.signals import await_end

if TYPE_CHECKING:
    from lightune.study.definition.definition import Definition

__all__ = ["Preflight", "leave_refused"]


class Preflight(Callback):
    """Refuse what cannot run: exit code 2, every problem in one message, nothing written."""

    _definition: "Definition | None" = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge and build the configuration of a single run, then reserve its folder."""

        def check() -> None:
            from lightune.cli.checks import check_run  # which help, `--cfg` and completion can do without

            check_run(config)

        _guarded(check)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge the points of a grid, and each end of what is searched."""
        _guarded(lambda: self.judge_multirun(config))

    def judge_multirun(self, config: DictConfig) -> None:
        """Judge a multirun, and keep what its sweeper and its jobs need.

        Raises:
            ConfigError: with all problems at once; nothing was written.
            hydra.errors.HydraException: of what cannot be composed.
        """
        from lightune.cli.checks import check_multirun

        self._definition = check_multirun(config)
        self.withheld = handover.withheld

    def take_definition(self) -> "Definition | None":
        """Return what was read of a study, once, for the sweeper: a worker's process has no use for it."""
        definition, self._definition = self._definition, None
        return definition

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hand over in a worker's process what was seen in the sweeper's."""
        if hasattr(self, "withheld"):
            handover.withheld = self.withheld

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave the configuration of the multirun as it was composed."""
        if getattr(self, "withheld", None) is not None:
            from lightune.job.hydra_files import restore_multirun

            restore_multirun(config)


def leave_refused(words: str) -> NoReturn:
    """Say why nothing is started, and leave with 2; of a run's processes the first says it for all."""
    if outer_rank() == 0:
        say(words, error=True)
    elif torchrun_size() > 1:
        await_end()
    sys.exit(2)


def _guarded(check: Callable[[], None]) -> None:
    """Let no exception out: Hydra would make a warning of it and train all the same."""
    try:
        check()
    except ConfigError as refusal:
        leave_refused(str(refusal))
    except HydraException as error:
        from lightune.cli.refusal import words_of

        say(words_of(error), error=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - said in full, and the run does not start
        say(traceback.format_exc().rstrip(), error=True)
        sys.exit(1)
    handover.passed = True
