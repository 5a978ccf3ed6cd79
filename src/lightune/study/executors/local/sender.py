"""What is sent to a process that may be busy, or may write itself just now: nobody waits until it is read."""

import contextlib
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue

__all__ = ["Sender"]


class Sender:
    """Write messages into a connection, in order, by a thread of its own.

    Two ends that both write would wait for each other for ever once the pipe is full.

    Args:
        connection: written by nobody else.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, daemon=True, name="sender")
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Return at once; a process that has died is found by whoever reads what it says."""
        self._messages.put(message)

    def close(self) -> None:
        """Let the thread end, once the process that reads has ended."""
        self._messages.put(None)
        self._thread.join()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._messages.get()) is not None:
                self._connection.send_bytes(message)
