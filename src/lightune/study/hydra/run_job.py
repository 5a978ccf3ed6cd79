"""Run one job as Hydra's `run_job` does, without its copies: the same files, callbacks, logs and answers.

Hydra copies the whole configuration some five times a job and writes all of its own node to YAML, which takes
longer than everything else that a study does for a trial. This module must not import Optuna, torch or Lightning.
"""

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core import utils
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus
from hydra.types import HydraContext, TaskFunction
from hydra.utils import execution_whitelist
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightune.private_api.hydra import flush_loggers, judge_of, note_failure
from lightune.private_api.omegaconf import attach
from lightune.study.hydra.composer import Composition, filled_in, section_text

__all__ = ["PackedReturn", "folder_of", "run_job", "subfolder_of"]


def run_job(
    made: Composition,
    *,
    number: int,
    context: HydraContext,
    task_function: TaskFunction,
    started: Callable[[Path], None],
) -> JobReturn:
    """Run a job of a multirun in this process.

    Args:
        made: its configuration; used up.
        number: of the job, >= 0; its id (`hydra.job.id`) is the same as text, as with Hydra's own launcher.
        context: as Hydra hands it to a launcher.
        task_function: what runs.
        started: told the job's folder before anything is written.

    Returns:
        What Hydra would return: the task's value, or the exception that it raised.

    Raises:
        ConfigError: if the application refuses the job before anything is written.
    """
    before, folder = HydraConfig.instance().cfg, os.getcwd()
    with execution_whitelist(context.execution_whitelist, reset=True):
        try:
            output = _place(made, number)
            if (judge := judge_of(context.callbacks)) is not None:
                judge(made.whole)
            started(output)
            return _run(made, output, context, task_function)
        finally:
            attach(made.hydra.hydra, made.hydra)  # what is returned holds Hydra's node alone
            HydraConfig.instance().cfg = before
            os.chdir(folder)


def folder_of(made: Composition, number: int) -> Path:
    """Return where a job will write, without running it; arguments are those of `run_job`."""
    with _as_job(made, number) as sweep:
        return Path(os.path.abspath(os.path.join(str(sweep.dir), str(sweep.subdir))))


def subfolder_of(made: Composition, number: int) -> Path:
    """Return the same, relative to the folder of the multirun."""
    with _as_job(made, number) as sweep:
        return Path(os.path.normpath(str(sweep.subdir)))


@contextmanager
def _as_job(made: Composition, number: int) -> Iterator[Any]:
    """Let a composition be read as that of a job; give what it says of folders."""
    before, node = HydraConfig.instance().cfg, made.whole.hydra
    with read_write(node), open_dict(node.job):
        node.job.id, node.job.num = str(number), number
    HydraConfig.instance().cfg = made.hydra  # type: ignore[assignment]
    try:
        yield node.sweep
    finally:
        HydraConfig.instance().cfg = before


def _place(made: Composition, number: int) -> Path:
    """Tell the configuration which job it is of; return its folder."""
    nodes = [made.whole.hydra] if made.is_shared else [made.whole.hydra, made.hydra.hydra]
    for node in nodes:
        with open_dict(node.job):
            node.job.id, node.job.num = str(number), number
        OmegaConf.set_readonly(node, True)
    HydraConfig.instance().cfg = made.hydra  # type: ignore[assignment]
    sweep = made.whole.hydra.sweep
    output = Path(os.path.abspath(os.path.join(str(sweep.dir), str(sweep.subdir))))
    for node in nodes:
        with read_write(node.runtime), open_dict(node.runtime):
            node.runtime.output_dir = str(output)
    return output


def _run(made: Composition, output: Path, context: HydraContext, task_function: TaskFunction) -> JobReturn:
    own: Any = made.hydra.hydra
    with read_write(own.job.env_set):
        OmegaConf.resolve(own.job.env_set)
    returned = JobReturn(cfg=made.task, hydra_cfg=made.hydra)
    returned.overrides = OmegaConf.to_container(own.overrides.task)  # type: ignore[assignment]
    output.mkdir(parents=True, exist_ok=True)
    returned.working_dir = str(output) if own.job.chdir else os.getcwd()
    if own.job.chdir:
        os.chdir(output)
    utils.configure_log(made.whole.hydra.job_logging, own.verbose, execution_whitelist=context.execution_whitelist)
    if own.output_subdir is not None:
        _write_files(made, output / own.output_subdir)
    returned.task_name = JobRuntime.instance().get("name")
    with _told(returned, made.whole, context), utils.env_override(own.job.env_set):
        context.callbacks.on_job_start(config=made.whole, task_function=task_function)
        try:
            returned.return_value = task_function(made.task)
            returned.status = JobStatus.COMPLETED
        except Exception as error:  # noqa: BLE001 - Hydra hands what a task raises to the sweeper
            note_failure(returned, error)
    return returned


@contextmanager
def _told(returned: JobReturn, config: DictConfig, context: HydraContext) -> Iterator[None]:
    """See to it that callbacks hear of a job's end, however it ends."""
    try:
        yield
    except BaseException as stop:
        returned.return_value, returned.status = stop, JobStatus.FAILED
        raise
    finally:
        try:
            flush_loggers()
        finally:
            context.callbacks.on_job_end(config=config, job_return=returned)


def _write_files(made: Composition, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    job, runtime = made.hydra.hydra.job, made.hydra.hydra.runtime
    changed = {
        "job": None if job.env_set else filled_in(made.texts["job"], "job", {"id": job.id, "num": job.num}),
        "runtime": filled_in(made.texts["runtime"], "runtime", {"output_dir": runtime.output_dir}),
        "overrides": None,
    }
    rewritten = {name: text or section_text(made.hydra, name) for name, text in changed.items()}
    sections = {**made.texts, **rewritten}
    texts = {
        "config.yaml": OmegaConf.to_yaml(made.task),
        "hydra.yaml": "hydra:\n" + "".join(sections.values()),
        "overrides.yaml": OmegaConf.to_yaml(made.whole.hydra.overrides.task),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


class PackedReturn(JobReturn):
    """What a job returned, with its configurations in bytes until somebody looks at them, which is seldom."""

    @classmethod
    def of(cls, returned: JobReturn) -> "PackedReturn":
        """Pack what can travel between processes."""
        packed = cls()
        packed.__dict__.update({k: v for k, v in returned.__dict__.items() if k not in ("cfg", "hydra_cfg")})
        configs = returned.cfg, returned.hydra_cfg
        try:
            packed.__dict__["configs"] = pickle.dumps(configs, pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001 - what a process defines itself takes the slower way
            packed.__dict__["configs"] = cloudpickle.dumps(configs)
        return packed

    @property
    def cfg(self) -> DictConfig | None:
        """The task's configuration."""
        return self._unpacked()[0]

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        self.__dict__["configs"] = (value, self._unpacked()[1])

    @property
    def hydra_cfg(self) -> DictConfig | None:
        """Hydra's own node."""
        return self._unpacked()[1]

    @hydra_cfg.setter
    def hydra_cfg(self, value: DictConfig | None) -> None:
        self.__dict__["configs"] = (self._unpacked()[0], value)

    def _unpacked(self) -> tuple[DictConfig | None, DictConfig | None]:
        kept = self.__dict__.get("configs", (None, None))
        if isinstance(kept, bytes):
            kept = self.__dict__["configs"] = pickle.loads(kept)
        return kept  # type: ignore[no-any-return]
