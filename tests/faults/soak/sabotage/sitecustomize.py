"""Let chosen system calls of a program fail, or kill it. Python imports this where its folder is on PYTHONPATH.

What is to happen stands in the environment variable SABOTAGE as JSON:

    root    only calls on files below this folder count
    calls   which count: open (for writing), write, rename, fsync, mkdir
    who     driver (the first process), worker (its children) or any; each process counts for itself
    after   how many of them succeed first
    times   how many fail then; null for all that follow
    error   name of the errno, or KILL (the process, as `kill -9` does, in the middle of the call)
    clock   seconds by which the clock jumps at the first of these calls, instead of an error
    log     a line is appended to this file for each call that was met
"""

import builtins
import errno
import io
import json
import os
import signal
import sys
import time

_FIRST = "SABOTAGE_FIRST_PROCESS"


class _Failing:
    """An open file of which only half of what is written arrives."""

    def __init__(self, file, plan, path):
        self._file, self._plan, self._path = file, plan, path

    def write(self, content):
        view = content if isinstance(content, str) else bytes(content)

        def half():
            self._file.write(view[: len(view) // 2])
            self._file.flush()

        self._plan.fail("write", self._path, half)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __iter__(self):
        return iter(self._file)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *reason):
        return self._file.__exit__(*reason)


class _Plan:
    def __init__(self, wanted):
        self.root = os.path.join(os.path.realpath(wanted["root"]), "")
        self.calls, self.error, self.log = set(wanted["calls"]), wanted.get("error"), wanted["log"]
        self.clock = wanted.get("clock", 0.0)
        self.first = wanted["after"]
        self.last = float("inf") if wanted.get("times") is None else self.first + wanted["times"]
        self.count = 0

    def met(self, call, path):
        """Return True if this call is one of those that are to fail."""
        if call not in self.calls or not os.path.abspath(os.fsdecode(path)).startswith(self.root):
            return False
        self.count += 1
        return self.first < self.count <= self.last

    def fail(self, call, path, half=None):
        if self.clock:
            clock, self.clock, self.calls = self.clock, 0.0, set()
            self.tell(f"clock {clock:+.0f} s at {call}", path)
            seconds = time.time
            time.time = lambda: seconds() + clock
            return False
        self.tell(f"{self.error} at {call}", path)
        if half is not None:
            half()
        if self.error == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.error)
        raise OSError(number, os.strerror(number), os.fsdecode(path))

    def tell(self, what, path):
        line = f"{what} of {os.path.relpath(os.fsdecode(path), self.root)}\n".encode()
        file = _os_open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        _os_write(file, line)
        os.close(file)


_os_open, _os_write = os.open, os.write


def _install(plan):
    opened, fsync, replace, rename, mkdir = io.open, os.fsync, os.replace, os.rename, os.mkdir

    def open_file(file, mode="r", *arguments, **named):
        writes = isinstance(file, (str, bytes, os.PathLike)) and set(mode) & set("wax+")
        if writes and plan.met("open", file):
            plan.fail("open", file)
        fails = writes and plan.met("write", file)
        if fails and plan.clock:
            plan.fail("write", file)
            fails = False
        handle = opened(file, mode, *arguments, **named)
        return _Failing(handle, plan, file) if fails else handle

    def open_descriptor(path, flags, *arguments, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and plan.met("open", path):
            plan.fail("open", path)
        return _os_open(path, flags, *arguments, **named)

    def name_of(descriptor):
        try:
            return os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return "/"

    def write(descriptor, content):
        if plan.met("write", path := name_of(descriptor)):
            plan.fail("write", path, lambda: _os_write(descriptor, bytes(content)[: len(content) // 2]))
        return _os_write(descriptor, content)

    def sync(descriptor):
        path = name_of(descriptor if isinstance(descriptor, int) else descriptor.fileno())
        if plan.met("fsync", path):
            plan.fail("fsync", path)
        return fsync(descriptor)

    def moving(function):
        def move(source, target, **named):
            if plan.met("rename", target):
                plan.fail("rename", target)
            return function(source, target, **named)

        return move

    def make_folder(path, *arguments, **named):
        if plan.met("mkdir", path):
            plan.fail("mkdir", path)
        return mkdir(path, *arguments, **named)

    builtins.open = io.open = open_file
    os.open, os.write, os.fsync, os.mkdir = open_descriptor, write, sync, make_folder
    os.replace, os.rename = moving(replace), moving(rename)


def _begin():
    wanted = json.loads(os.environ["SABOTAGE"])
    who = "worker" if _FIRST in os.environ else "driver"
    os.environ.setdefault(_FIRST, str(os.getpid()))
    if wanted["who"] in (who, "any"):
        _install(_Plan(wanted))


if "SABOTAGE" in os.environ and sys.argv != [""]:
    _begin()
