"""The folder in which torch's compiler keeps what it has made, which parts of torch make for nothing.

This module must not import torch or Lightning.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["no_empty_compiler_folder"]

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def no_empty_compiler_folder() -> Iterator[None]:
    """Remove the folder afterwards if it was made meanwhile and is empty; whatever compiles makes it again."""
    existed = _folder().is_dir()
    try:
        yield
    finally:
        if not existed:
            with suppress(OSError):  # there is none, or something is in it
                _folder().rmdir()


def _folder() -> Path:
    """Return where torch makes it: where the environment says, else in the folder for temporary files."""
    if (chosen := os.environ.get(_VARIABLE)) is not None:
        return Path(chosen)
    import getpass  # with what it needs of terminals

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid_{os.getuid()}"
    return Path(tempfile.gettempdir(), f"torchinductor_{user}")
