import json
import math
import os
from dataclasses import replace

import pytest

from lightune.reporting.result import Failure, Objective, Result, read_result, write_result


@pytest.fixture
def result(tmp_path):
    return Result(
        run_dir=tmp_path,
        name="digits",
        status="completed",
        objective=Objective("val/accuracy", "max", 0.75, 3),
        metrics={"val/accuracy": 0.75, "test/accuracy": 0.5},
        seed=7,
        epochs=5,
        steps=50,
        seconds={"setup": 0.5, "train": 2.0, "validate": 0.25, "test": 0.125},
        samples_per_second=1000.0,
        checkpoint="checkpoints/best.ckpt",
        provenance={"git": {"commit": "abc", "dirty": False}},
    )


def test_what_is_written_is_read_back(result):
    write_result(result)
    assert read_result(result.run_dir) == result


def test_a_failure_is_read_back(result):
    failed = replace(result, status="failed", error=Failure("ValueError", "too large", "traceback.txt"))
    write_result(failed)
    assert read_result(result.run_dir) == failed


def test_the_file_names_its_schema_and_not_its_folder(result):
    path = write_result(result)
    content = json.loads(path.read_text())
    assert path == result.run_dir / "result.json"
    assert content["schema"] == 1
    assert "run_dir" not in content
    assert str(result.run_dir) not in path.read_text()


def test_a_moved_run_knows_where_it_lies(result, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_result(result).rename(elsewhere / "result.json")
    assert read_result(elsewhere).run_dir == elsewhere


def test_what_json_cannot_hold_becomes_null(result):
    odd = replace(
        result,
        objective=replace(result.objective, value=math.nan),
        metrics={"val/loss": math.inf, "val/r2": -math.inf, "val/mae": 1.5},
        provenance={"deep": [{"value": math.nan}, (1.0, math.inf)]},
    )
    content = json.loads(write_result(odd).read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["objective"]["value"] is None
    assert content["metrics"] == {"val/loss": None, "val/r2": None, "val/mae": 1.5}
    assert content["provenance"] == {"deep": [{"value": None}, [1.0, None]]}


def test_a_result_replaces_the_one_before_it_and_leaves_nothing_beside_it(result):
    write_result(result)
    write_result(replace(result, epochs=6))
    assert read_result(result.run_dir).epochs == 6
    assert os.listdir(result.run_dir) == ["result.json"]


def test_a_writing_that_fails_leaves_the_old_result_and_nothing_beside_it(result):
    write_result(result)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_result(replace(result, epochs=6, provenance={"data": object()}))
    assert read_result(result.run_dir) == result
    assert os.listdir(result.run_dir) == ["result.json"]


def test_a_folder_without_a_result_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_result(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1}',
        '{"schema": 1, "objective": {"wrong": 1}, "error": null}',
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ValueError, match=r"result of schema 1|Expecting"):
        read_result(tmp_path)


def test_a_notebook_shows_text_and_html_in_which_every_text_is_a_text(result):
    failed = replace(
        result, status="failed", error=Failure("ValueError", "<script>alert(1)</script>\x1b[2J", "t.txt")
    )
    shown = failed._repr_mimebundle_()
    assert "val/accuracy   0.7500  best, at epoch 4 of 5" in shown["text/plain"]
    assert "<th>val/accuracy</th><td>0.7500  best, at epoch 4 of 5</td>" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert "\x1b" not in "".join(shown.values())
    assert "&lt;script&gt;alert(1)" in shown["text/html"]
