"""The processes that train one run: those that a launcher started, or those that lightune starts itself.

The first process (rank 0) is the one that was asked for a run. Unless `torchrun` or a cluster has started the
others, it starts them with `python -m lightune.job.follower`; each reads from its standard input what to train.
They end with the first process, however that ends: a process whose input closes ends itself.
"""

import json
import os
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
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from lightune.config.trust import trusted
from lightune.errors import LightuneError
from lightune.paths import RANK_VARIABLE
from lightune.runtime.plain_text import say

__all__ = ["ProcessGroup", "ProcessLostError", "joined"]

Value = TypeVar("Value")

_ADDRESS = "127.0.0.1"  # of the processes that lightune starts
_WATCH_SECONDS = 1.0  # between two looks at the other processes
_END_SECONDS = 30.0  # that the other processes have to end after the first, and the first after one of them failed


class ProcessLostError(LightuneError):
    """Another process of the run ended, and this one would wait for it forever."""

    def __init__(self, rank: int, exit_code: int) -> None:
        ended = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        super().__init__(f"process {rank} of the run {ended}; what it said stands above")


@dataclass
class ProcessGroup:
    """The processes of a run, seen from one of them.

    Args:
        rank: number of this process, from 0.
        size: how many processes there are.
        needs_others: whether this process still waits for others; set to False when they may end.
        when_lost: called in the first process, in another thread, before that process ends because another one
            has failed and it hangs.
    """

    rank: int = 0
    size: int = 1
    needs_others: bool = True
    when_lost: Callable[[ProcessLostError], object] = lambda lost: say(f"lightune: {lost}", error=True)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the files and prints."""
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
) -> Iterator[ProcessGroup]:
    """Join the processes of a run, after starting them unless a launcher has.

    Args:
        trainer: built of the configuration; it knows how many processes there are to be.
        cfg: the configuration.
        run_dir: the run's folder; known to the first process at least.
        arguments: the other arguments that `train` was called with in the first process.
    """
    if trainer.world_size == 1:
        yield ProcessGroup()
        return
    environment: Any = trainer.strategy.cluster_environment  # type: ignore[attr-defined]
    if environment.creates_processes_externally:
        address = f"tcp://{environment.main_address}:{environment.main_port}"
        with _in_group(trainer, init_method=address):
            yield ProcessGroup(trainer.global_rank, trainer.world_size)
        return
    order = {"config": OmegaConf.to_yaml(cfg, resolve=False), "run_dir": str(run_dir), **arguments}
    store = _listening_store(trainer.world_size)
    variables = {"MASTER_ADDR": _ADDRESS, "MASTER_PORT": str(store.port), "NODE_RANK": "0"}
    others = [_start(rank, variables, order) for rank in range(1, trainer.world_size)]
    group, patience = ProcessGroup(0, trainer.world_size), 1.0
    try:
        with (
            _watching(others, group),
            _environment({**variables, "LOCAL_RANK": "0"}),
            _in_group(trainer, store=PrefixStore("default_pg", store)),  # the prefix that followers join under
        ):
            yield group
        patience = _END_SECONDS
    finally:
        _end(others, seconds=patience)


def _listening_store(size: int) -> TCPStore:
    """Open the store where the processes of a run find each other, on a port that the system chooses.

    It listens from the beginning: a port that was only looked up could be taken by another run before it is used.

    Args:
        size: how many processes will join, > 1.
    """
    return TCPStore(_ADDRESS, 0, size, is_master=True, wait_for_workers=False)


def _start(rank: int, variables: dict[str, str], order: dict[str, Any]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "lightune.job.follower"],  # -P: not what lies in the current folder
        env={**os.environ, **variables, "LOCAL_RANK": str(rank), RANK_VARIABLE: str(rank)},
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**order, "path": sys.path, "trusted": trusted()}) + "\n")
    process.stdin.flush()
    return process


@contextmanager
def _watching(
    others: "list[subprocess.Popen[str]]",
    group: ProcessGroup,
    *,
    every: float = _WATCH_SECONDS,
    patience: float | None = None,
) -> Iterator[None]:
    """End this process, which may wait forever, if another has failed and this one has not ended after a while.

    Args:
        others: the processes that this one started.
        group: of all of them.
        every: seconds between two looks at the others, > 0.
        patience: seconds from the failure of another to the end of this process, >= 0; by default 30.
    """
    over, patience = threading.Event(), _END_SECONDS if patience is None else patience

    def watch() -> None:
        while not over.wait(every):
            failed = [(rank, code) for rank, other in enumerate(others, 1) if (code := other.poll())]
            if failed and group.needs_others and not over.wait(patience) and group.needs_others:
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
def _in_group(trainer: Trainer, **rendezvous: Any) -> Iterator[None]:
    """Let torch's process group exist meanwhile.

    Args:
        trainer: which knows the rank, the size and the device of this process.
        rendezvous: where the processes find each other, as `init_process_group` takes it.
    """
    on_gpu = trainer.strategy.root_device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(trainer.strategy.root_device)
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo", rank=trainer.global_rank, world_size=trainer.world_size, **rendezvous
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
