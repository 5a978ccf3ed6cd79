import json

import pytest

from lightune.study.conclude import signal_of


@pytest.mark.parametrize(
    ("code", "status", "number"),
    [
        (130, "interrupted", 2),
        (143, "interrupted", 15),
        (143, "failed", None),
        (3, "interrupted", None),
        (None, "interrupted", None),
    ],
)
def test_a_task_that_saved_and_left_for_a_signal_was_interrupted(tmp_path, code, status, number):
    (tmp_path / "result.json").write_text(json.dumps({"schema": 1, "status": status}))
    assert signal_of(SystemExit(code), tmp_path) == number


def test_a_task_that_left_no_word_was_not():
    assert signal_of(SystemExit(143), None) is None
