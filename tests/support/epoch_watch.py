"""A logger that lets tests see, or break into, the epochs of trainings, fused or not.

`ON` adds it to a configuration; the fixture `epochs` in `fused_members` lets configurations name it. A process of
its own is killed in the epoch that the environment variable says.
"""

import os
import signal
from contextlib import contextmanager

from pytorch_lightning.loggers import Logger

KILLED_IN = "EPOCH_WATCH_KILLED_IN"
ON = "+logger.watch._target_=epoch_watch.EpochWatch"

_watchers = []


class EpochWatch(Logger):
    """Call what watches at the end of each epoch, before anything of it is saved.

    Args:
        save_dir: folder of the run.
    """

    def __init__(self, save_dir):
        super().__init__()
        self._folder = save_dir

    @property
    def name(self):
        return "watch"

    @property
    def version(self):
        return ""

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        if "train/loss" not in metrics or "epoch" not in metrics:
            return
        epoch = int(metrics["epoch"])
        if os.environ.get(KILLED_IN) == str(epoch):
            os.kill(os.getpid(), signal.SIGKILL)
        for watcher in _watchers:
            watcher(str(self._folder), epoch)


@contextmanager
def watching(watcher):
    """Call a watcher with (folder, epoch from 0) at the end of each epoch of each training meanwhile."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        if watcher in _watchers:
            _watchers.remove(watcher)


@contextmanager
def at_epoch(number, happens):
    """Let something happen once, at the end of the first epoch of that number, from 0."""

    def watcher(folder, epoch):
        if epoch == number and watcher in _watchers:
            _watchers.remove(watcher)
            happens()

    with watching(watcher):
        yield
