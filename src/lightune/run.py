"""The story of one run: seed, build, fit, test, report."""

import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.model_helpers import is_overridden
from rich.console import Console

from lightune.callbacks import BestAndLast, Progress, Record
from lightune.callbacks.record import measures
from lightune.checkpoints import read_checkpoint
from lightune.config import secrets
from lightune.config.build import Parts, build, build_trainer
from lightune.config.validate import validate
from lightune.engine.lean import engage
from lightune.errors import LightuneError
from lightune.paths import create_run_dir
from lightune.quiet import quiet
from lightune.reporting import provenance
from lightune.reporting.result import Failure, Objective, Result, write_result
from lightune.reporting.summary import show_summary
from lightune.reporting.tensorboard import TensorBoard, hparams_of

__all__ = ["InterruptedRun", "TrainingError", "prepare", "train"]

log = logging.getLogger(__name__)

TRACEBACK_FILE = "traceback.txt"
_TUNED = ("data", "model", "loss", "optimizer", "scheduler", "regularization", "seed")


class TrainingError(LightuneError):
    """A training failed after it had begun; `result` is what it left, the cause is what happened."""

    def __init__(self, result: Result) -> None:
        self.result = result
        reason = f"{result.error.type}: {result.error.message}" if result.error else result.status
        super().__init__(f"{reason} (see {result.run_dir})")


class InterruptedRun(KeyboardInterrupt):
    """A training was stopped from outside; `result` is what it left, `exit_code` what a shell expects."""

    def __init__(self, result: Result, exit_code: int) -> None:
        self.result = result
        self.exit_code = exit_code
        super().__init__("interrupted")


def prepare(cfg: DictConfig) -> Parts:
    """Judge a configuration and build its parts; nothing is written.

    Raises:
        ConfigError: with all that is wrong.
    """
    validate(cfg)
    with quiet(verbose=False):
        return build(cfg)


def train(
    cfg: DictConfig, *, parts: Parts | None = None, run_dir: Path | None = None, verbose: bool = False
) -> Result:
    """Train one network as a configuration says.

    Args:
        cfg: as `compose` returns it.
        parts: what `prepare(cfg)` returned, if it was called before.
        run_dir: an existing folder to write to; a new one below `output_root` by default.
        verbose: whether Lightning may say all that it has to say.

    Returns:
        The result, which `result.json` in `result.run_dir` holds too.

    Raises:
        ConfigError: if the configuration cannot run; nothing was written.
        TrainingError: if the training failed; its result was written.
        InterruptedRun: if it was stopped from outside; its result was written.
    """
    parts = parts or prepare(cfg)
    run_dir = run_dir or _new_run_dir(cfg)
    with _logging_to(run_dir / "train.log", cfg, verbose), quiet(verbose):
        run = _Run(cfg, parts, run_dir, Console())
        try:
            run.fit()
            run.test()
        except Exception as error:
            raise TrainingError(run.report("failed", error)) from error
        except (KeyboardInterrupt, SystemExit) as stop:
            code = 143 if isinstance(stop, SIGTERMException) else 130
            raise InterruptedRun(run.report("interrupted"), code) from stop
        return run.report(run.ending)


@dataclass
class _Run:
    cfg: DictConfig
    parts: Parts
    run_dir: Path
    console: Console

    def __post_init__(self) -> None:
        began = time.perf_counter()
        metric, mode = self.cfg.monitor.metric, self.cfg.monitor.mode
        self.record = Record(metric, mode)
        watchers = [self.record, Progress(metric, mode, self.console)]
        self.trainer: Trainer = build_trainer(self.cfg, run_dir=self.run_dir, watchers=watchers)
        self.tested: dict[str, float] = {}
        self.setup_seconds = self.parts.seconds + time.perf_counter() - began

    def fit(self) -> None:
        """Train from the seed on, until the epochs are over or a callback says stop."""
        row = os.path.relpath(self.run_dir, self.cfg.output_root)
        for board in self._boards():
            hparams = hparams_of(secrets.saveable(self.cfg), _TUNED)
            board.start_session(hparams, secrets.redact(row, secrets.secret_values(self.cfg)))
        seed_everything(self.cfg.seed, workers=True, verbose=False)
        engage(self.trainer, self.parts.task, self.parts.data, self.cfg.trainer.get("steps_per_execution", "auto"))
        self.trainer.fit(self.parts.task, datamodule=self.parts.data)
        if self.record.best.value is None:
            log.warning("%s was never measured; there is no best epoch", self.cfg.monitor.metric)

    def test(self) -> None:
        """Measure the test part once, with the best weights, if the configuration says so and there is one."""
        task, data = self.parts.task, self.parts.data
        if not self.cfg.test or not (is_overridden("test_step", task) and is_overridden("test_dataloader", data)):
            return
        if best := self.best_checkpoint:
            task.load_state_dict(read_checkpoint(self.run_dir / best)["state_dict"])
        self.trainer.test(task, datamodule=data, verbose=False)
        self.tested = measures(self.trainer)

    @property
    def best_checkpoint(self) -> str | None:
        """The best checkpoint's path relative to the run's folder, if it was written."""
        written = any(isinstance(callback, BestAndLast) for callback in self.trainer.callbacks)  # type: ignore[attr-defined]
        path = BestAndLast.folder(self.trainer) / "best.ckpt"
        return str(path.relative_to(self.run_dir)) if written and path.is_file() else None

    @property
    def ending(self) -> Literal["completed", "early_stopped"]:
        """How a fit that ended by itself ended."""
        stoppers = [c for c in self.trainer.callbacks if isinstance(c, EarlyStopping)]  # type: ignore[attr-defined]
        return "early_stopped" if any(stopper.stopped_epoch for stopper in stoppers) else "completed"

    def report(
        self,
        status: Literal["completed", "early_stopped", "failed", "interrupted"],
        error: Exception | None = None,
    ) -> Result:
        """Write what came of the run, `result.json` last, and show it."""
        best, record = self.record.best, self.record
        result = Result(
            run_dir=self.run_dir,
            name=self.cfg.name,
            status=status,
            objective=Objective(best.metric, best.mode, best.value, best.epoch),
            metrics={**record.metrics, **self.tested},
            seed=self.cfg.seed,
            epochs=record.epochs,
            steps=self.trainer.global_step,
            seconds={
                "setup": self.setup_seconds,
                "train": record.train_seconds,
                "validate": record.validate_seconds,
                "test": record.test_seconds,
            },
            samples_per_second=record.samples_per_second,
            checkpoint=self.best_checkpoint,
            error=self._failure(error) if error else None,
            provenance=self._provenance(),
        )
        final = {"objective": best.value} if best.value is not None else {}
        for board in self._boards():
            board.end_session(status, final, self.trainer.global_step)
            board.close()
        write_result(result)
        log.info("%s: %s", status, result.objective)
        show_summary(result, self.console, output_root=Path(self.cfg.output_root))
        return result

    def _boards(self) -> list[TensorBoard]:
        return [logger for logger in self.trainer.loggers if isinstance(logger, TensorBoard)]

    def _failure(self, error: Exception) -> Failure:
        hidden = secrets.secret_values(self.cfg)
        text = "".join(traceback.format_exception(error))
        (self.run_dir / TRACEBACK_FILE).write_text(secrets.redact(text, hidden), encoding="utf-8")
        message = " ".join(str(error).split())
        return Failure(type(error).__name__, secrets.redact(message, hidden), TRACEBACK_FILE)

    def _provenance(self) -> dict[str, object]:
        fingerprint = getattr(self.parts.data, "fingerprint", None)
        return provenance.collect(
            self.run_dir,
            device=self.trainer.strategy.root_device,
            data_fingerprint=fingerprint() if callable(fingerprint) else None,
        )


def _new_run_dir(cfg: DictConfig) -> Path:
    """Make a folder for a run that was not started by Hydra, and keep its configuration there as Hydra would."""
    stamp = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    run_dir = Path(create_run_dir(str(Path(cfg.output_root) / "runs" / cfg.name / stamp)))
    (run_dir / ".hydra").mkdir()
    OmegaConf.save(cfg, run_dir / ".hydra" / "config.yaml", resolve=False)
    return run_dir


class _Redacting(logging.Formatter):
    """Write log lines without the values of environment variables that the configuration asks for."""

    def __init__(self, cfg: DictConfig) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = secrets.secret_values(cfg)

    def format(self, record: logging.LogRecord) -> str:
        return secrets.redact(super().format(record), self._secrets)


@contextmanager
def _logging_to(file: Path, cfg: DictConfig, verbose: bool) -> Iterator[None]:
    """Keep a log of a run: what is worth knowing in the file, warnings on the terminal; all of it if verbose."""
    root = logging.getLogger()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.DEBUG if verbose else logging.WARNING)
    handlers: list[logging.Handler] = [logging.FileHandler(file, encoding="utf-8"), terminal]
    level = root.level
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for handler in handlers:
        handler.setFormatter(_Redacting(cfg))
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
