import json

import pytest

from lightune.errors import ConfigError
from lightune.reporting.found import FILE_NAME, Found, read_found, write_found

RATE = Found("optimizer.lr", 1e-3, 0.0031, "why", [1e-4, 1e-3], [2.0, 1.5], "loss")
SIZE = Found("data.batch_size", 64, 128, "why", [64, 128], [1.0, 2.0], "MB a step")


def test_what_was_found_reads_back_to_the_bit(tmp_path):
    write_found(tmp_path, [SIZE, RATE])
    assert read_found(tmp_path, ["optimizer.lr", "data.batch_size"]) == [SIZE, RATE]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        (json.dumps({"schema": 2, "found": []}), "schema 2"),
        (json.dumps({"schema": 1, "found": []}), "says nothing of optimizer.lr"),
        (json.dumps({"schema": 1, "found": [{"key": "optimizer.lr"}]}), "missing 6 required"),
    ],
)
def test_a_file_that_does_not_say_it_is_refused(tmp_path, content, why):
    if content is not None:
        (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(ConfigError, match=why) as refusal:
        read_found(tmp_path, ["optimizer.lr"])
    (problem,) = refusal.value.problems
    assert problem.key == str(tmp_path / FILE_NAME)
    assert problem.message.endswith("put it back, or train anew")


@pytest.mark.parametrize("value", [0, -1.0, True, "1e-3", None])
def test_a_value_that_is_none_is_refused(tmp_path, value):
    write_found(tmp_path, [RATE])
    content = json.loads((tmp_path / FILE_NAME).read_text())
    content["found"][0]["value"] = value
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"optimizer\.lr must be a number > 0"):
        read_found(tmp_path, ["optimizer.lr"])
