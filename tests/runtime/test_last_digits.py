"""Variables that change last digits are set as they were, and nothing else is."""

import os
import sys
from types import SimpleNamespace

import pytest

from lightune.runtime import last_digits as module
from lightune.runtime.last_digits import PORTABLE, VARIABLES, make_portable, not_portable, set_variables


@pytest.fixture
def environment(monkeypatch):
    """The variables of a process that has not imported torch."""
    variables = {"MKL_CBWR": "AVX2", "PATH": "/bin"}
    monkeypatch.setattr(module, "os", SimpleNamespace(environ=variables))
    monkeypatch.setattr(module, "sys", SimpleNamespace(modules={}))
    return variables


def test_variables_are_set_and_taken_away(environment):
    assert set_variables({"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    assert environment == {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PATH": "/bin"}


@pytest.mark.parametrize(
    "wanted", [{"PATH": "/evil"}, {"MKL_CBWR": "a b;c"}, {"MKL_CBWR": ["x"]}, {"LD_PRELOAD": "x"}]
)
def test_no_other_variable_and_no_odd_value_is_set(environment, wanted):
    assert set_variables(wanted)
    assert environment == {"PATH": "/bin"}


def test_once_torch_has_read_them_nothing_is_changed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", os)
    before = dict(os.environ)
    assert not set_variables(dict.fromkeys(VARIABLES, "1"))
    assert dict(os.environ) == before


@pytest.mark.parametrize(("threads", "wanted"), [(None, "1"), ("4", "4")])
def test_portable_arithmetic_is_three_variables_and_a_number_of_threads(environment, threads, wanted):
    if threads is not None:
        environment["OMP_NUM_THREADS"] = threads
    assert not_portable().keys() == {*PORTABLE, *([] if threads else ["OMP_NUM_THREADS"])}
    make_portable(True)
    assert environment == {**PORTABLE, "OMP_NUM_THREADS": wanted, "PATH": "/bin"}
    assert not_portable() == {}


@pytest.mark.parametrize("asked", [None, False, "true"])
def test_arithmetic_that_nobody_asked_for_is_left_alone(environment, asked):
    before = dict(environment)
    make_portable(asked)
    assert environment == before


def test_once_torch_is_there_arithmetic_is_what_it_is(environment, monkeypatch):
    monkeypatch.setattr(module, "sys", SimpleNamespace(modules={"torch": os}))
    make_portable(True)
    assert "ATEN_CPU_CAPABILITY" not in environment
    assert not_portable()["ATEN_CPU_CAPABILITY"] == "avx2"


def test_all_that_makes_arithmetic_portable_is_recorded():
    assert {*PORTABLE, "OMP_NUM_THREADS"} <= {*VARIABLES}
