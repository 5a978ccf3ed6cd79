import gc
import logging
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from lightune.study.executors.worker.isolation import as_found, give_memory_back


def state(log):
    return (
        dict(os.environ),
        os.getcwd(),
        list(sys.argv),
        random.getstate(),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        logging.getLogger().level,
        list(logging.getLogger().handlers),
        list(warnings.filters),
        log.level,
    )


def test_a_process_is_as_it_was_found(tmp_path):
    log = logging.getLogger("lightune.test_clean")
    before = state(log)
    with as_found():
        os.environ["LIGHTUNE_TEST_CLEAN"] = "1"
        os.chdir(tmp_path)
        sys.argv.append("more")
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        torch.set_num_threads(before[5] + 1)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        logging.getLogger().setLevel(logging.ERROR)
        logging.getLogger().addHandler(logging.FileHandler(tmp_path / "log"))
        log.setLevel(logging.CRITICAL)
        warnings.simplefilter("ignore")
    assert state(log) == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_files_of_loggers_that_a_trial_makes_are_closed(tmp_path):
    log = logging.getLogger("lightune.test_clean.own")
    logging.root.manager.loggerDict.pop(log.name)
    with as_found():
        made = logging.getLogger("lightune.test_clean.own")
        made.addHandler(logging.FileHandler(tmp_path / "log"))
        made.addHandler(logging.NullHandler())  # as libraries do, once
    assert [type(handler) for handler in made.handlers] == [logging.NullHandler]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_mean_what_they_meant(number):
    def ours(number, frame):
        """Mean something."""

    before = signal.signal(number, ours)
    try:
        with as_found():
            signal.signal(number, signal.SIG_IGN)
        assert signal.getsignal(number) is ours
    finally:
        signal.signal(number, before)


@pytest.mark.long
def test_a_library_that_a_trial_is_the_first_to_import_is_as_it_was_when_new():
    script = """
from lightune.study.executors.worker.isolation import as_found
import sys
assert "torch" not in sys.modules and "numpy" not in sys.modules
with as_found():
    import numpy, torch
    new = torch.get_num_threads(), torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist()
    torch.set_num_threads(new[0] + 1)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    numpy.random.seed(1)
assert (torch.get_num_threads(), torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist()) == new
assert [finder for finder in sys.meta_path if type(finder).__module__.startswith("lightune.")] == []
assert torch.get_default_dtype() is torch.float32 and not torch.are_deterministic_algorithms_enabled()
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_failure_is_cleaned_up_after_as_well():
    def trial():
        with as_found():
            os.environ["LIGHTUNE_TEST_CLEAN"] = "1"
            raise ValueError("told to")

    with pytest.raises(ValueError, match="told to"):
        trial()
    assert "LIGHTUNE_TEST_CLEAN" not in os.environ


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_fifty_trials_take_no_more_memory_than_five():
    class Ring:
        pass

    def trial():
        ring = Ring()
        ring.itself, ring.data = ring, torch.ones(2_000_000)  # 8 MB that only the collector frees

    gc.disable()
    try:
        for _ in range(5):
            trial()
            give_memory_back()
        before = resident()
        for _ in range(45):
            trial()
            give_memory_back()
        assert resident() - before < 20
    finally:
        gc.enable()
        gc.unfreeze()
