"""The records of the HParams page, read back as TensorBoard reads them."""

import pytest
from curves import hparams_records
from tensorboard.plugins.hparams import api_pb2, metadata

from lightune.reporting.hparams import append, has_end, has_start, session_end, session_start


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((status, api_pb2.STATUS_SUCCESS) for status in ("completed", "early_stopped", "pruned")),
        ("failed", api_pb2.STATUS_FAILURE),
        ("interrupted", api_pb2.STATUS_UNKNOWN),
    ],
)
def test_a_session_has_a_start_and_an_end(tmp_path, status, meaning):
    append(tmp_path, [session_start({"lr": 0.5, "model": "mlp"}, "trials/3")])
    (first,) = tmp_path.iterdir()
    assert (has_start(first.read_bytes()), has_end(first.read_bytes())) == (True, False)
    append(tmp_path, [session_end(status)])
    row = hparams_records(tmp_path)
    assert row[metadata.SESSION_START_INFO_TAG].session_start_info.group_name == "trials/3"
    assert row[metadata.SESSION_END_INFO_TAG].session_end_info.status == meaning


def test_no_record_makes_no_file(tmp_path):
    append(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
