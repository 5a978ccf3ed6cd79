"""The import of what trains."""

import subprocess
import sys

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


def test_nothing_is_collected_meanwhile_nor_complained_of_at_the_end():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
