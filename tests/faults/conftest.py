"""Runs that are cut off by real signals in real processes, and the runs that were left alone, to compare with."""

import contextlib
import hashlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from curves import curves_below

BASE = ("trainer=cpu", "trainer.max_epochs=4", "model.units=16", "metrics.bootstrap=50", "data.batch_size=100")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Work in the test's own folder, on one thread: figures are compared to the bit with those of children."""
    import torch

    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Callable[..., Any]:
    """Train without an interruption, once for each configuration."""
    from lightune import compose, train

    @cache
    def run(*overrides):
        root = tmp_path_factory.mktemp("whole")
        return train(compose([*BASE, *overrides, f"output_root={root}"]))

    return run


@pytest.fixture
def signal_after() -> Callable[..., Any]:
    """Return a callback that sends this process a signal after so many optimizer steps of one of a run's fits."""
    from pytorch_lightning import Callback

    class Signal(Callback):
        def __init__(self, after, signum=signal.SIGTERM, *, fit=0, takes_chunks=False):
            super().__init__()
            self.takes_chunks = takes_chunks
            self.after, self.signum, self.fit = after, signum, fit
            self.fits = -1

        def on_fit_start(self, trainer, pl_module):
            self.fits += 1

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == self.after and self.fits == self.fit:
                os.kill(os.getpid(), self.signum)

    return Signal


@pytest.fixture
def cut(signal_after) -> Callable[..., Path]:
    """Train, be stopped by a signal, and return the folder that is left; `goes_on` cuts a run that goes on."""
    from lightune import compose, train
    from lightune.reporting.result import read_result
    from lightune.run import InterruptedRun
    from lightune.training.resumption import resumed_config

    def run(*overrides, after, signum=signal.SIGTERM, fit=0, goes_on=None, takes_chunks=False):
        watchers = [signal_after(after, signum, fit=fit, takes_chunks=takes_chunks)]
        cfg = compose([*BASE, *overrides])
        if goes_on is not None:
            cfg = resumed_config(goes_on, [], cfg)
        with pytest.raises(InterruptedRun) as stopped:
            train(cfg, watchers=watchers, run_dir=goes_on, resume=goes_on is not None)
        assert stopped.value.exit_code == 128 + signum
        run_dir = stopped.value.result.run_dir
        assert read_result(run_dir).status == "interrupted"
        return run_dir

    return run


@pytest.fixture
def in_child() -> Callable[..., int]:
    """Run a function in a process of its own; return its exit code, negative for a signal."""

    def run(function):
        child = start(function)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run


@pytest.fixture
def start_child() -> Callable[..., Any]:
    """Start a function in a process of its own; return its number. One that is left over is killed in the end."""
    children = []

    def run(function):
        children.append(start(function))
        return children[-1]

    yield run
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def start(function: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        if child := os.fork():
            return child
    import torch

    torch.set_num_threads(1)
    torch.cuda.is_available = lambda: False  # a forked process cannot use it
    code = 1
    try:
        function()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 - told by the exit code
        sys.excepthook(*sys.exc_info())
    os._exit(code)


@pytest.fixture
def killed(signal_after, in_child, tmp_path) -> Callable[..., Path]:
    """Train in a process of its own, which kills itself as `kill -9` does; return the folder that is left."""
    from lightune import compose, train

    def run(*overrides, after, fit=0, takes_chunks=False):
        watchers = [signal_after(after, signal.SIGKILL, fit=fit, takes_chunks=takes_chunks)]
        code = in_child(lambda: train(compose([*BASE, *overrides]), watchers=watchers))
        assert code == -signal.SIGKILL
        (run_dir,) = (tmp_path / "outputs" / "runs" / "run").iterdir()
        return run_dir

    return run


@pytest.fixture
def contents() -> Callable[[Path], dict[str, str]]:
    """Return a digest of every file below a folder."""

    def read(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return read


@pytest.fixture
def assert_same() -> Callable[..., None]:
    """Compare two runs to the bit: figures, weights, curves, predictions."""
    import torch

    from lightune.checkpoints import read_checkpoint

    def compare(one, other, *, curves=True):
        assert one.status == other.status
        assert one.objective == other.objective
        assert one.metrics == other.metrics
        assert one.intervals == other.intervals
        assert (one.epochs, one.steps) == (other.epochs, other.steps)
        assert one.folds == other.folds
        assert one.repeats == other.repeats
        files = [sorted(str(p.relative_to(r.run_dir)) for p in r.run_dir.rglob("*.ckpt")) for r in (one, other)]
        assert files[0] == files[1]
        for file in files[0]:
            ours, theirs = (read_checkpoint(run.run_dir / file) for run in (one, other))
            for key, value in ours["state_dict"].items():
                assert torch.equal(value, theirs["state_dict"][key]), (file, key)
        tables = [(run.run_dir / "predictions.csv") for run in (one, other)]
        assert tables[0].exists() == tables[1].exists()
        assert not tables[0].exists() or tables[0].read_bytes() == tables[1].read_bytes()
        if curves:
            drawn = [curves_below(run.run_dir) for run in (one, other)]
            assert drawn[0] == drawn[1]

    return compare
