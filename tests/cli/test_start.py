"""How a command ends that is no fault of anyone: nobody reads on, or Ctrl-C comes early."""

import json
import os
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def folder(study, tmp_path):
    """Return the folder that a study lies below."""
    study("completed,0.5,0.1")
    return tmp_path


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("tools", ["list"]),
        ("tools", ["best", "outputs/studies/s"]),
        ("tools", ["best", "outputs/studies/s", "--json"]),
        ("tools", ["--help"]),
        ("train", ["--help"]),
        ("train", ["--cfg=job"]),
        ("train", ["--info", "searchpath"]),
    ],
)
def test_nobody_needs_to_read_to_the_end(folder, program, arguments, buffered):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"from lightune.cli.start import {program}; {program}()", *arguments],
            cwd=folder,
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode in (141, -signal.SIGPIPE, 0)  # a shell shows 141; argparse says nothing


@pytest.mark.parametrize(
    "words",
    [[], pytest.param(["-m", "seed=1,2", "hydra/launcher=basic"], marks=pytest.mark.slow)],
    ids=["run", "study"],
)
def test_a_training_that_nobody_reads_on_saves_and_ends_as_unix_tools_do(tmp_path, words):
    reading, writing = os.pipe()
    os.close(reading)
    begun = [sys.executable, "-c", "from lightune.cli.start import train; train()", *words]
    try:
        done = subprocess.run(
            [*begun, "trainer=cpu", "data=wine", "trainer.max_epochs=3", "logger=none"],
            cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text())["status"] == "interrupted"
    assert (result.parent / "checkpoints" / "last.ckpt").exists()


def test_an_output_that_is_closed_is_no_fault(folder):
    line = f"{sys.executable} -m lightune list >&-"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import os, signal, sys
from importlib.abc import MetaPathFinder
from lightune.cli import start

class CtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin deaf to it
sys.meta_path.insert(0, CtrlC())
sys.argv = ["lightune", *{arguments!r}]
start.{program}()
"""


@pytest.mark.parametrize(
    ("program", "module", "arguments"),
    [
        ("train", "hydra", []),
        ("train", "omegaconf", []),
        ("train", "lightune.cli.checks", []),
        ("tools", "hydra", ["list"]),
        ("tools", "rich.table", ["list"]),
    ],
)
def test_ctrl_c_while_it_starts_is_no_traceback(folder, program, module, arguments):
    code = INTERRUPTED.format(program=program, module=module, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
