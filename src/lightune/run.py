"""The story of one run: prepare (seed and build), fit, test, report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning import Callback

from lightune.config.build import Parts, build
from lightune.config.compose import compose
from lightune.config.trainer import make_trainer
from lightune.config.validate import validate
from lightune.errors import ConfigError, InterruptedRun, Problem, TrainingError
from lightune.paths import outer_rank
from lightune.reporting.hparams import HParam
from lightune.reporting.result import Result
from lightune.runtime.quiet import quiet
from lightune.training.context import opened
from lightune.training.finding import find
from lightune.training.fits import Fits, Report
from lightune.training.resumable_checkpoints import require_sound_checkpoints
from lightune.training.resumption import keep_first_config, require_no_run, resumed_config
from lightune.training.run_record import RunRecord, concluding

__all__ = ["InterruptedRun", "TrainingError", "prepare", "resume", "train"]


def prepare(cfg: DictConfig, *, verbose: bool = False) -> Parts:
    """Validate a configuration, seed, and build its parts; nothing is written.

    Args:
        cfg: as `compose` returns it.
        verbose: whether Lightning's own messages are shown.

    Raises:
        ConfigError: with all problems.
    """
    validate(cfg)
    with quiet(verbose):
        return build(cfg)


def train(
    cfg: DictConfig,
    *,
    parts: Parts | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    verbose: bool = False,
    watchers: Sequence[Callback] = (),
    report: Report | None = None,
    hparams: Mapping[str, HParam] | None = None,
) -> Result:
    """Train as a configuration says: one network, or one for each fold and repeat.

    Args:
        cfg: as `compose` returns it.
        parts: what `prepare(cfg)` returned, if it was called before; they serve one run.
        run_dir: a folder to write to, which holds no run yet; a new one below `output_root` by default.
        resume: whether to continue what `run_dir` holds, from its newest sound checkpoint.
        verbose: whether Lightning's own messages are shown.
        watchers: callbacks beside those of the configuration.
        report: called with (epochs trained, monitored metric), or, where the run has several fits, with (fits
            finished, mean of their objectives); the run is pruned when it returns True.
        hparams: the columns of the run's row on TensorBoard's HParams page; by default all that is tuned.

    Returns:
        The result, which `result.json` in `result.run_dir` holds too.

    Raises:
        ConfigError: if the configuration cannot run; nothing was written.
        TrainingError: if the training failed; its result was written.
        InterruptedRun: if it was stopped from outside; its result was written.
    """
    if not isinstance(cfg, DictConfig):
        given = type(cfg).__name__
        raise ConfigError([Problem("cfg", f"must be a configuration: train(compose([...])), got a {given}")])
    if cfg.resume is not None and run_dir is None:
        raise ConfigError([Problem("resume", "belongs to the command line; in Python call lightune.resume(RUN)")])
    if parts is not None and parts.trainer is not None and parts.trainer.state.fn is not None:
        raise ConfigError(
            [Problem("parts", "have trained a run, and hold its weights; prepare(cfg) makes new ones")]
        )
    folder = None if run_dir is None else Path(run_dir)
    keeps_config = folder is not None and parts is None and not resume and outer_rank() == 0
    if keeps_config and folder is not None:  # a job, which brings its parts, has a folder and a file of Hydra's
        require_no_run(folder)
    parts = parts or prepare(cfg, verbose=verbose)
    with quiet(verbose):
        trainer = parts.trainer or make_trainer(cfg)
    with opened(cfg, parts, trainer, run_dir=folder, resume=resume, verbose=verbose) as context:
        if keeps_config:
            keep_first_config(context.run_dir, cfg)
        record = RunRecord(context, hparams)
        with concluding(record):
            fits = Fits(find(context, record, trainer), record, trainer, watchers, report)
            fits.train()
            fits.test()
        return record.report(record.ending)


def resume(run_dir: str | Path, overrides: Sequence[str] = (), *, verbose: bool = False) -> Result:
    """Continue a run that was interrupted, or make a finished one longer.

    Args:
        run_dir: the run's folder.
        overrides: what lengthens or moves it, e.g. `["trainer.max_epochs=100"]`.
        verbose: whether Lightning's own messages are shown.

    Returns:
        The result of the whole run.

    Raises:
        ConfigError: if the folder is no run, or the run is finished, or an override would make it another run,
            or a fit of it has no sound checkpoint.
        TrainingError: as `train`.
        InterruptedRun: as `train`.
    """
    cfg = resumed_config(Path(run_dir), overrides, compose(overrides))
    require_sound_checkpoints(Path(run_dir))
    return train(cfg, run_dir=Path(run_dir), resume=True, verbose=verbose)
