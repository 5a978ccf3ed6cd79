"""Where `lightune-train`, `python train.py` and `lightune` begin and end: no traceback for what is no fault.

This module must import next to nothing: a Ctrl-C that comes before it is at work meets Python alone.
"""

import os
import signal
import sys
import warnings
from importlib import import_module
from types import TracebackType
from typing import Any

__all__ = ["tools", "train"]

_INTERRUPTED = 130
_NOBODY_READS = 141  # what a shell shows of a program that SIGPIPE ended
_QUESTIONS = {
    "-h",
    "--help",
    "--hydra-help",
    "--version",
    "-c",
    "--cfg",
    "-i",
    "--info",
    "-sc",
    "--shell-completion",
}


def train(project: str | None = None) -> None:
    """Run the application that trains, on this process's arguments.

    Args:
        project: a file of the project whose code and configuration files are to be found, such as `__file__` of
            its `train.py`; by default the project that the current folder belongs to, if there is one.
    """
    if any(word.partition("=")[0] in _QUESTIONS for word in sys.argv[1:]) and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Hydra answers and leaves; a pipe to a worker never breaks
    _run_to_end("lightune.cli.train", project)


def tools() -> None:
    """Run one command of the companion tool, on this process's arguments."""
    _run_to_end("lightune.cli.tools")


def _run_to_end(module: str, *arguments: str | None) -> None:
    sys.excepthook = _show
    _show_warnings_alike()
    try:
        _start(module, arguments)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            _leave(stop.code or 0)
        raise
    _leave(0)


def _show(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Print an exception as Python does, without what a terminal would obey in its message."""
    import traceback

    from lightune.runtime.plain_text import say

    say("".join(traceback.format_exception(kind, error, where)).rstrip(), error=True)


def _show_warnings_alike() -> None:
    write = warnings.formatwarning

    def plain(*arguments: Any, **settings: Any) -> str:
        from lightune.runtime.plain_text import visible

        return visible(write(*arguments, **settings))

    warnings.formatwarning = plain


def _leave(code: int) -> None:
    from lightune.runtime.exit import leave

    leave(code)


def _start(module: str, arguments: tuple[str | None, ...]) -> None:
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        # nothing has begun that would want to be ended, and an import may swallow a KeyboardInterrupt
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    main = import_module(module).main
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, before)
    try:
        try:
            main(*arguments)
        except SystemExit:
            _flush()
            raise
        _flush()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the very end
        sys.exit(_NOBODY_READS)


def _flush() -> None:
    if sys.stdout is not None:  # which a shell may have closed
        sys.stdout.flush()


def _nobody_reads() -> bool:
    """Tell whether it is our output that is a broken pipe."""
    import select

    if sys.stdout is None:
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
