"""The records of TensorBoard's HParams page: a session for each of its rows.

All of its protocol buffers are made here. This module must not import torch or Lightning.
"""

import io
import itertools
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.summary.writer.record_writer import RecordWriter

from lightune.runtime.atomic_files import write_whole

__all__ = [
    "FILE_VERSION",
    "HParam",
    "append",
    "event_file",
    "has_end",
    "has_start",
    "session_end",
    "session_start",
]

HParam = str | float | bool
FILE_VERSION = "brain.Event:2"
"""What the first record of an event file says."""

_numbers = itertools.count()
_STATUS = {
    "completed": api_pb2.STATUS_SUCCESS,
    "early_stopped": api_pb2.STATUS_SUCCESS,
    "pruned": api_pb2.STATUS_SUCCESS,
    "failed": api_pb2.STATUS_FAILURE,
    "interrupted": api_pb2.STATUS_UNKNOWN,
}


def session_start(hparams: Mapping[str, HParam], row: str) -> Summary:
    """Return the record that opens a row.

    Args:
        hparams: dotted key → number, truth value or text.
        row: what the row is called; sessions of one name would be averaged in one row.
    """
    return summary_v2.hparams_pb(dict(hparams), trial_id=row)


def session_end(status: str) -> Summary:
    """Return the record that closes a row.

    Args:
        status: as in `result.json`.
    """
    end = plugin_data_pb2.SessionEndInfo(status=_STATUS[status], end_time_secs=time.time())
    return _summary(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))


def has_start(events: bytes) -> bool:
    """Return True if the bytes of event files hold a session's first record."""
    return metadata.SESSION_START_INFO_TAG.encode() in events


def has_end(events: bytes) -> bool:
    """Return True if the bytes of event files hold a session's last record."""
    return metadata.SESSION_END_INFO_TAG.encode() in events


def append(folder: Path, records: Sequence[Summary]) -> None:
    """Write records into an event file of their own; none if there are none.

    Args:
        folder: made as needed.
        records: as the functions above return them.
    """
    if not records:
        return
    events = [Event(wall_time=time.time(), file_version=FILE_VERSION)]
    events += [Event(wall_time=time.time(), summary=record) for record in records]
    content = io.BytesIO()
    for event in events:
        RecordWriter(content).write(event.SerializeToString())
    write_whole(folder / event_file(), content.getvalue())


def event_file() -> str:
    """Return the name of a new event file: no other of this machine has it."""
    return f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"


def _summary(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
