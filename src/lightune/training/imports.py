"""Importing what trains: torch, Lightning and torchmetrics, several seconds of it.

A fifth of that would go into garbage collections which look through hundreds of thousands of new objects and find
nothing, since imported code lives as long as its process. This module must not import any of it at its top.
"""

import atexit
import gc
import sys

from lightune.runtime.compiler_folder import no_empty_compiler_folder


def import_training() -> None:
    """Import what trains, if it is not yet, with garbage collection paused, and keep it out of later ones."""
    if "lightune.config.build" in sys.modules:
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        with no_empty_compiler_folder():
            import lightune.config.build  # noqa: F401
    finally:
        leave_out_imported()
        if collects:
            gc.enable()


def leave_out_imported() -> None:
    """Keep all objects that are there now out of the collections to come; they are let go of at the end."""
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # libraries that count what they leave behind complain otherwise
