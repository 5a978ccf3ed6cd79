"""Several processes for one run: those that a launcher started, or those that lightune starts itself.

The first process (rank 0) is the one that was asked for a run. Unless `torchrun` or a cluster has started the
others, it starts them with `python -m lightune.job.follower`, tells each through its standard input what to train,
and takes them along when it ends, however it ends: a process whose input closes ends itself.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer

from lightune.config.trust import trusted
from lightune.errors import LightuneError
from lightune.paths import RANK_VARIABLE

__all__ = ["Group", "ProcessLostError", "joined"]

Value = TypeVar("Value")

_WATCH_SECONDS = 1.0
_FAREWELL_SECONDS = 30  # that others have to end after the first has


class ProcessLostError(LightuneError):
    """Another process of the run ended, and this one would wait for it for ever."""

    def __init__(self, rank: int, exit_code: int) -> None:
        ended = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        super().__init__(f"process {rank} of the run {ended}; what it said stands above")


@dataclass
class Group:
    """The processes of a run, seen from one of them.

    Args:
        rank: number of this process, from 0.
        size: how many they are.
        needs_others: whether this process has still to hear of others, which may end from now on.
        when_lost: what the first process does, in another thread, before it ends because another has failed and it
            hangs.
    """

    rank: int = 0
    size: int = 1
    needs_others: bool = True
    when_lost: Callable[[ProcessLostError], object] = lambda lost: print(f"lightune: {lost}", file=sys.stderr)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def agree(self, value: Value) -> Value:
        """Return the first process's value in every process."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def joined(
    trainer: Trainer,
    cfg: DictConfig,
    run_dir: Path | None,
    **arguments: Any,
) -> Iterator[Group]:
    """Join the processes of a run, after starting them where nobody else has.

    Args:
        trainer: built of the configuration; it knows how many processes there shall be.
        cfg: the configuration.
        run_dir: the run's folder; known to the first process at least.
        arguments: what else `train` was called with in the first process.
    """
    if trainer.world_size == 1:
        yield Group()
        return
    environment: Any = trainer.strategy.cluster_environment  # type: ignore[attr-defined]
    if environment.creates_processes_externally:
        with _in_group(trainer, environment.main_address, environment.main_port):
            yield Group(trainer.global_rank, trainer.world_size)
        return
    order = {"config": OmegaConf.to_yaml(cfg, resolve=False), "run_dir": str(run_dir), **arguments}
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    others = [_start(rank, variables, order) for rank in range(1, trainer.world_size)]
    group, patience = Group(0, trainer.world_size), 1
    try:
        with (
            _watching(others, group),
            _environment({**variables, "LOCAL_RANK": "0"}),
            _in_group(trainer, variables["MASTER_ADDR"], variables["MASTER_PORT"]),
        ):
            yield group
        patience = _FAREWELL_SECONDS
    finally:
        _end(others, seconds=patience)


def _start(rank: int, variables: dict[str, str], order: dict[str, Any]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "lightune.job.follower"],
        env={**os.environ, **variables, "LOCAL_RANK": str(rank), RANK_VARIABLE: str(rank)},
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**order, "path": sys.path, "trusted": trusted()}) + "\n")
    process.stdin.flush()
    return process


@contextmanager
def _watching(others: "list[subprocess.Popen[str]]", group: Group) -> Iterator[None]:
    """End this process, which may wait for ever, when another has failed and nothing came of it for a while."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_SECONDS):
            failed = [(rank, code) for rank, other in enumerate(others, 1) if (code := other.poll())]
            if failed and group.needs_others and not over.wait(_FAREWELL_SECONDS) and group.needs_others:
                try:
                    group.when_lost(ProcessLostError(*failed[0]))
                finally:
                    os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _end(processes: "list[subprocess.Popen[str]]", *, seconds: float) -> None:
    for process in processes:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()


@contextmanager
def _in_group(trainer: Trainer, address: str, port: int | str) -> Iterator[None]:
    on_gpu = trainer.strategy.root_device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(trainer.strategy.root_device)
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"tcp://{address}:{port}",
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
