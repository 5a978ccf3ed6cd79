"""Give a worker's process back as a trial found it: state of libraries, environment, memory."""

import ctypes
import gc
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["as_found", "give_memory_back"]

_frozen: list[bool] = []


@contextmanager
def as_found() -> Iterator[None]:
    """Put back what a trial may change for its whole process: environment, seeds, threads, logs, warnings."""
    restore = [_environment(), _random(), _logging(), *_torch(), *_numpy()]
    with warnings.catch_warnings():
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
        gc.freeze()
        _frozen.append(True)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.ipc_collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


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

    return put_back


def _torch() -> Iterator[Callable[[], None]]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
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

    yield put_back


def _numpy() -> Iterator[Callable[[], None]]:
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        state = numpy.random.get_state()
        yield lambda: numpy.random.set_state(state)
