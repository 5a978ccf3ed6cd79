"""The import of what trains."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

SCRIPT = """
import gc, sys
from lightune.training.imports import import_training

collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
import_training()
assert "torch" in sys.modules
assert not collections
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
import_training()
gc.disable()
"""

RECORDED = """
import torch
from lightune.engine.fused.program import record

record(lambda x: (x + 1,), (torch.zeros(2),))
"""


def test_nothing_is_collected_meanwhile_nor_complained_of_at_the_end():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("then", ["", RECORDED], ids=["import", "recorded program"])
def test_no_folder_of_a_compiler_that_nobody_has_used_is_left(tmp_path, then):
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    script = f"from lightune.training.imports import import_training; import_training(){then}"
    subprocess.run([sys.executable, "-c", script], env=environment | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
