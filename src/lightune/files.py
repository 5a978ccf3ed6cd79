"""Files that are written whole or not at all.

This module must not import torch or Lightning.
"""

import os
from pathlib import Path
from typing import Any

__all__ = ["write_whole"]


def write_whole(target: Path, content: Any) -> None:
    """Write bytes beside a target and move them into place: a reader finds the old file or the new one, whole.

    Args:
        target: the file; its folder is made as needed.
        content: bytes, or what has their buffer.

    Raises:
        OSError: if the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
