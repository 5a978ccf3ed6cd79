"""Where a run takes place: its folder, its processes, its log, and the signals that stop it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning import Trainer
from rich.console import Console

from lightune.callbacks import Interruption
from lightune.config.build import FitPlan, Parts
from lightune.paths import create_run_dir, expanded, outer_rank
from lightune.reporting.data_file import record_data, require_same_data, show_data
from lightune.reporting.train_log import train_log
from lightune.runtime.quiet import quiet
from lightune.runtime.terminal import Terminal
from lightune.training.process_group import ProcessGroup, joined
from lightune.training.resumable_checkpoints import require_same_processes
from lightune.training.resumption import keep_config, keep_first_config, reopen
from lightune.training.run_owner import only_owner

__all__ = ["RunContext", "opened"]


@dataclass(frozen=True)
class RunContext:
    """What every fit of a run shares.

    Args:
        cfg: the run's configuration.
        parts: built of it.
        run_dir: the run's folder, which exists.
        console: where progress and the summary are shown.
        interruption: listens to the signals that stop the run.
        processes: those that train the run.
        resumed: whether the run continues from the content of its folder.
    """

    cfg: DictConfig
    parts: Parts
    run_dir: Path
    console: Console
    interruption: Interruption = field(default_factory=Interruption)
    processes: ProcessGroup = field(default_factory=ProcessGroup)
    resumed: bool = False

    @property
    def has_several_fits(self) -> bool:
        """Whether the run has more fits than one, each in a folder of its own."""
        return len(self.parts.plans) > 1

    def folder(self, plan: FitPlan) -> Path:
        """Return the folder of a fit."""
        return self.run_dir / "fits" / str(plan.index) if self.has_several_fits else self.run_dir


@contextmanager
def opened(
    cfg: DictConfig, parts: Parts, trainer: Trainer, *, run_dir: Path | None, resume: bool, verbose: bool
) -> Iterator[RunContext]:
    """Own a run's folder, join its processes, and keep its log, as long as the context lasts.

    Args:
        cfg: the run's configuration.
        parts: built of it.
        trainer: of the first fit, which knows how many processes there are.
        run_dir: an existing folder; by default the first process makes one below `output_root`.
        resume: whether to continue from the content of the folder.
        verbose: whether Lightning's own messages are shown.

    Raises:
        ConfigError: if another process works in the folder, or the run cannot continue with so many processes.
    """
    leads = outer_rank() == 0
    if leads:
        run_dir = run_dir or _new_run_dir(cfg)
    interruption = Interruption()
    if resume and leads and run_dir:
        require_same_processes(run_dir, trainer.world_size)
    with (
        only_owner(run_dir) if leads and run_dir else nullcontext(),
        joined(trainer, cfg, run_dir, resume=resume, verbose=verbose) as processes,
        quiet(verbose),
        interruption.watching(),
    ):
        run_dir = processes.agree(run_dir)
        assert run_dir is not None
        with train_log(run_dir, cfg, verbose=verbose) if processes.is_first else nullcontext():
            if resume and processes.is_first:
                require_same_data(run_dir, parts.data)
                keep_config(run_dir, cfg)
                reopen(run_dir)
            if processes.is_first:
                record_data(run_dir, parts.data)
            processes.agree(None)  # the other processes wait until the folder is ready
            console = Terminal(quiet=not processes.is_first)
            show_data(parts.data, console, trainer.strategy.root_device)
            yield RunContext(cfg, parts, run_dir, console, interruption, processes, resume)


def _new_run_dir(cfg: DictConfig) -> Path:
    """Make a folder for a run that was not started by Hydra, and keep its configuration there as Hydra would."""
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    run_dir = Path(create_run_dir(str(Path(expanded(cfg.output_root)) / "runs" / cfg.name / stamp)))
    keep_first_config(run_dir, cfg)
    return run_dir
