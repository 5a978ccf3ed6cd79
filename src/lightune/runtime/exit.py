"""The fast end of a process: everything that Python would write at its end is written, but memory is not cleared.

Clearing memory takes a second where torch was imported: collections look through all objects that the process has
ever made, which the operating system takes back at once. This module must import next to nothing.
"""

import gc
import io
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightune.private_api.cpython import at_exit

__all__ = ["leave"]

_FILE: type = io.IOBase.__base__  # type: ignore[assignment]  # without the abstract class's slower subclass check
_STDERR = 2
_OURS = str(Path(__file__).parents[1])


def leave(code: int) -> None:
    """End this process with an exit code, if torch was imported; return if Python itself has to end it.

    Threads that are no daemons are waited for, functions of `atexit` called, open files closed, and the finalizers
    (`__del__`) of user code called, as always. A debugger, or an interpreter that stays open, is left to Python.

    Args:
        code: 0 to 255.
    """
    end = at_exit()
    stays = sys.gettrace() is not None or sys.flags.interactive or "PYTHONINSPECT" in os.environ
    if "torch" not in sys.modules or stays or end is None:
        return
    end()
    if _may_hold_back():
        _finalize()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(Exception):  # there is none, nobody reads it, or it is closed
            stream.flush()  # type: ignore[union-attr]
    _flush_c_streams()
    os._exit(code)


def _may_hold_back() -> bool:
    """Return True if a file is open for writing, or user code may have finalizers: the search takes 0.1 s."""
    main = sys.modules["__main__"]
    if any(module is not main and _is_user_code(module) for module in list(sys.modules.values())):
        return True
    if any(isinstance(each, type) and each.__module__ == "__main__" for each in vars(main).values()):
        return True
    try:
        import fcntl

        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except (ImportError, OSError):
        return True  # not known on this system
    for descriptor in descriptors:
        with suppress(OSError):  # the listing's own, which is closed
            kind, access = os.fstat(descriptor).st_mode, fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
            buffered = stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISCHR(kind)
            if descriptor > _STDERR and buffered and access != os.O_RDONLY:
                return True
    return False


def _finalize() -> None:
    """Call the finalizers of user code, then close the files that are open, the outer ones first."""
    finalizers: list[Any] = []
    wrappers: list[Any] = []  # such as a compressed file, whose closing writes into another file
    texts: list[Any] = []
    buffers: list[Any] = []
    places: dict[type, list[Any] | None] = {
        io.TextIOWrapper: texts,
        io.BufferedWriter: buffers,
        io.BufferedRandom: buffers,
        **dict.fromkeys((io.FileIO, io.BufferedReader, io.BytesIO, io.StringIO)),  # they hold back nothing
    }
    gc.unfreeze()  # what is frozen is not listed
    for found in gc.get_objects():
        kind = type(found)
        if kind not in places:
            is_file = issubclass(kind, _FILE)
            places[kind] = wrappers if is_file else finalizers if _is_finalized(kind) else None
        if (place := places[kind]) is not None:
            place.append(found)
    standard = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
    kept = {id(each) for stream in standard for each in (stream, getattr(stream, "buffer", None))}
    for found in finalizers:
        with suppress(Exception):
            found.__del__()
    open_texts, files = _without(kept, texts), _without(kept, [*wrappers, *texts, *buffers])
    for finish in (*(text.flush for text in open_texts), *(file.close for file in files)):
        with suppress(Exception):  # nobody reads it any more, or the disk is full: Python passes over that, too
            finish()


def _without(kept: set[int], found: Iterable[Any]) -> list[Any]:
    return [each for each in found if id(each) not in kept]


def _is_finalized(kind: type) -> bool:
    """Return True if instances of a class have a finalizer of user code, or are archives of the standard library.

    Finalizers of installed packages free memory, above all, and may depend on what is gone by now.
    """
    if not hasattr(kind, "__del__"):
        return False
    return kind.__module__ in ("zipfile", "__main__") or _is_user_code(sys.modules.get(kind.__module__))


def _is_user_code(module: object) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not os.path.isabs(file) or "site-packages" in file:
        return False
    return not file.startswith((_OURS, sys.prefix, sys.base_prefix))


def _flush_c_streams() -> None:
    """Write what C code has printed; only if the loader of C libraries is there already, which torch imports."""
    if (ctypes := sys.modules.get("ctypes")) is not None:
        with suppress(Exception):
            ctypes.CDLL(None).fflush(None)
