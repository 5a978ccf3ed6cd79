"""Variables that change last digits are set as they were, and nothing else is."""

import os
import sys
from types import SimpleNamespace

import pytest

from lightune.runtime import last_digits as module
from lightune.runtime.last_digits import VARIABLES, set_variables


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
