"""The numbers named here are numbers of torch's optimizers, and each optimizer named has an update rule."""

import inspect
import subprocess
import sys

import pytest
import torch

from lightune.engine.fused.numbers import NUMBERS
from lightune.engine.fused.update_rules import RULES


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_is_an_argument_of_the_optimizer(name):
    arguments = inspect.signature(getattr(torch.optim, name)).parameters
    assert [number for number in NUMBERS[name] if number not in arguments] == []


def test_each_optimizer_has_an_update_rule():
    assert {kind.__name__ for kind in RULES} == NUMBERS.keys()


def test_it_is_read_without_torch():
    code = "import sys, lightune.engine.fused.numbers; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
