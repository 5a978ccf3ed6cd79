"""Give a worker's process back as a trial found it: state of libraries, environment, memory."""

import ctypes
import gc
import importlib.util
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from lightune.runtime.signals import STOP_SIGNALS
from lightune.training.imports import leave_out_imported

__all__ = ["as_found", "give_memory_back"]

_frozen: list[bool] = []


@contextmanager
def as_found() -> Iterator[None]:
    """Put back what a trial may change for its whole process: environment, seeds, threads, logs, warnings."""
    restore = [_environment(), _random(), _logging(), _signals()]
    with warnings.catch_warnings(), _as_imported({"torch": _torch, "numpy": _numpy}, restore):
        try:
            yield
        finally:
            for put_back in restore:
                put_back()


def give_memory_back() -> None:
    """Return what a trial left to the operating system and to the GPU.

    What outlives the first trial is imported code: it is not looked through again, which would take longer than
    many a trial.
    """
    gc.collect()
    if not _frozen:
        leave_out_imported()
        _frozen.append(True)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.ipc_collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def _as_imported(
    libraries: Mapping[str, Callable[[], Callable[[], None]]], restore: list[Callable[[], None]]
) -> Iterator[None]:
    """Remember the state of libraries as it is now, or as it will be when a trial is the first to import them."""
    restore += [remember() for name, remember in libraries.items() if name in sys.modules]
    missing = {name: remember for name, remember in libraries.items() if name not in sys.modules}
    watcher = _Watcher(missing, restore)
    sys.meta_path.insert(0, watcher)
    try:
        yield
    finally:
        sys.meta_path.remove(watcher)


class _Watcher(MetaPathFinder):
    """Remember the state of libraries as soon as they have been imported.

    Args:
        remember: name → what remembers it, and returns what puts it back.
        restore: takes the latter.
    """

    def __init__(
        self, remember: dict[str, Callable[[], Callable[[], None]]], restore: list[Callable[[], None]]
    ) -> None:
        self._remember, self._restore = remember, restore

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module as the others do, and watch it being imported."""
        remember = self._remember.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if remember is not None else None
        if remember is None or spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._restore.append(remember())

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _signals() -> Callable[[], None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with suppress(ValueError):  # only the main thread may
                    signal.signal(number, handler)

    return put_back


def _environment() -> Callable[[], None]:
    environment, folder, argv, path = dict(os.environ), os.getcwd(), list(sys.argv), list(sys.path)

    def put_back() -> None:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        for name, value in environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        os.chdir(folder)
        sys.argv[:], sys.path[:] = argv, path

    return put_back


def _random() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _logging() -> Callable[[], None]:
    root = logging.getLogger()
    named = {name: log for name, log in root.manager.loggerDict.items() if isinstance(log, logging.Logger)}
    before = [(log, log.level, list(log.handlers), log.propagate, log.disabled) for log in (root, *named.values())]
    disabled = root.manager.disable

    def put_back() -> None:
        root.manager.disable = disabled
        for log, level, handlers, propagate, off in before:
            for handler in [handler for handler in log.handlers if handler not in handlers]:
                log.removeHandler(handler)
                handler.close()
            log.handlers[:] = handlers
            if log.level != level:  # setting it makes every logger of the process think anew
                log.setLevel(level)
            log.propagate, log.disabled = propagate, off
        for name, new in root.manager.loggerDict.items():
            if name not in named and isinstance(new, logging.Logger):
                _close_files_of(new)

    return put_back


def _close_files_of(log: logging.Logger) -> None:
    """Take from a logger that a trial has made what writes into that trial's folder; a library's own stays."""
    for handler in [handler for handler in log.handlers if isinstance(handler, logging.FileHandler)]:
        log.removeHandler(handler)
        handler.close()


def _torch() -> Callable[[], None]:
    torch: Any = sys.modules["torch"]
    state, threads, dtype = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    matmul, grad = torch.get_float32_matmul_precision(), torch.is_grad_enabled()

    def put_back() -> None:
        torch.set_rng_state(state)
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        torch.set_float32_matmul_precision(matmul)
        torch.set_grad_enabled(grad)

    return put_back


def _numpy() -> Callable[[], None]:
    numpy: Any = sys.modules["numpy"]
    state = numpy.random.get_state()
    return lambda: numpy.random.set_state(state)
