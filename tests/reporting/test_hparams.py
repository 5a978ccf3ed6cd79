"""The records of the HParams page, read back as TensorBoard reads them."""

import pytest
from curves import hparams_records
from tensorboard.plugins.hparams import api_pb2, metadata

from lightune.reporting.hparams import Column, append, experiment, has_end, has_start, session_end, session_start


def test_an_experiment_says_what_its_columns_may_hold(tmp_path):
    columns = [
        Column("lr", interval=(0.1, 1)),
        Column("layers", numbers=range(1, 4)),
        Column("model", texts=["mlp", "cnn"]),
        Column("any"),
    ]
    append(tmp_path, [experiment("study one", columns, ["objective", "best/val/loss"])])
    record = hparams_records(tmp_path)[metadata.EXPERIMENT_TAG].experiment
    lr, layers, model, anything = record.hparam_infos
    assert (record.description, [info.name.tag for info in record.metric_infos]) == (
        "study one", ["objective", "best/val/loss"],
    )  # fmt: skip
    assert [info.display_name for info in record.metric_infos] == ["objective", "val/loss"]
    assert (lr.type, lr.domain_interval.min_value, lr.domain_interval.max_value) == (
        api_pb2.DATA_TYPE_FLOAT64,
        0.1,
        1,
    )
    assert [value.number_value for value in layers.domain_discrete.values] == [1, 2, 3]
    assert [value.string_value for value in model.domain_discrete.values] == ["mlp", "cnn"]
    assert (anything.type, anything.WhichOneof("domain")) == (api_pb2.DATA_TYPE_STRING, None)


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
