"""The fast end of real processes: nothing that Python would have written at their end is lost."""

import subprocess
import sys

import pytest

PREAMBLE = """
import sys, types
sys.modules["torch"] = types.ModuleType("torch")  # a process that has imported it is ended the fast way
from lightune.runtime.exit import leave
"""


@pytest.fixture
def ended(tmp_path):
    """Run a program that ends with `leave(3)`; return what it printed."""

    def run(program, code=3):
        file = tmp_path / "program.py"
        file.write_text(f"{PREAMBLE}{program}\nleave(3)\nprint('Python had to end it')\n")
        done = subprocess.run(
            [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    return run


def test_functions_of_atexit_are_called_and_threads_waited_for(ended):
    said = ended(
        "import atexit, threading\n"
        "go = threading.Event()\n"
        "atexit.register(print, 'at exit')\n"
        "threading.Thread(target=lambda: (go.wait(), print('thread'))).start()\n"
        "threading.Timer(0.05, go.set).start()\n"
    )
    assert said == "thread\nat exit\n"


def test_files_that_user_code_left_open_are_written(ended, tmp_path):
    ended(
        "text, data, both = open('text', 'w'), open('data', 'wb'), open('both', 'w+b')\n"
        "text.write('ä'); data.write(b'b'); both.write(b'c')\n"
    )
    assert [(tmp_path / name).read_bytes() for name in ("text", "data", "both")] == ["ä".encode(), b"b", b"c"]


def test_compressed_files_and_archives_are_whole(ended, tmp_path):
    import gzip
    import zipfile

    ended(
        "import gzip, zipfile, io\n"
        "packed = io.TextIOWrapper(gzip.open('text.gz', 'wb')); packed.write('all of it')\n"
        "archive = zipfile.ZipFile('all.zip', 'w'); archive.writestr('one', 'of it')\n"
    )
    assert gzip.decompress((tmp_path / "text.gz").read_bytes()) == b"all of it"
    assert zipfile.ZipFile(tmp_path / "all.zip").read("one") == b"of it"


def test_files_opened_before_objects_were_frozen_are_written(ended, tmp_path):
    ended("import gc\ntext = open('text', 'w'); text.write('kept'); gc.freeze()\n")
    assert (tmp_path / "text").read_text() == "kept"


def test_finalizers_of_user_code_may_still_write(ended, tmp_path):
    ended(
        "class Writer:\n"
        "    def __init__(self): self.file, self.lines = open('lines', 'w'), ['one']\n"
        "    def __del__(self): self.file.writelines(self.lines)\n"
        "writer = Writer()\n"
    )
    assert (tmp_path / "lines").read_text() == "one"


def test_what_a_log_handler_holds_back_is_written(ended, tmp_path):
    ended(
        "import logging, logging.handlers\n"
        "file = logging.FileHandler('log')\n"
        "logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=file))\n"
        "logging.warning('kept')\n"
    )
    assert (tmp_path / "log").read_text() == "kept\n"


def test_what_was_printed_is_shown_though_the_stream_was_replaced(ended):
    assert ended("import io\nprint('seen')\nsys.stdout = io.StringIO()\nprint('not seen')") == "seen\n"


def test_what_c_code_printed_is_shown(ended):
    assert ended("import ctypes\nctypes.CDLL(None).printf(b'of c')") == "of c"


def test_a_file_that_cannot_be_written_does_not_keep_others_from_it(ended, tmp_path):
    ended("full = open('/dev/full', 'w'); full.write('x')\nother = open('other', 'w'); other.write('kept')\n")
    assert (tmp_path / "other").read_text() == "kept"


def test_a_process_of_many_objects_ends_without_looking_through_them(ended):
    assert ended("import gc\ngc.callbacks.append(lambda phase, info: print('collected'))") == ""


def test_a_process_without_torch_is_left_to_python(tmp_path):
    program = "from lightune.runtime.exit import leave\nleave(3)\nprint('here')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "here\n")


@pytest.mark.long
def test_what_has_nothing_open_is_not_searched(tmp_path):
    program = "import sys, torch, lightune.run\nfrom lightune.runtime import exit\nprint(exit._may_hold_back())"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True, close_fds=True).stdout == "False\n"
