import json

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_columns_are_shown_by_their_importance(class_run, tool):
    code, out, err = tool("explain", class_run.folder, "--inputs", "--repeats", "2")
    assert code == 0
    header, *rows, last = out.splitlines()
    assert header.split() == ["column", "accuracy", "gets", "worse", "by"]
    assert {row.split()[0] for row in rows} == {"height", "age", "city"}
    assert all("±" in row for row in rows)
    assert last.startswith("accuracy is ")
    assert err == f"all of it is in {class_run.folder / 'explain'}\n"


def test_it_is_printed_for_programs(class_run, tool):
    words = ["--inputs", "--json", "--metric", "loss", "--input", class_run.table, "--repeats", "1"]
    code, out, _ = tool("explain", class_run.folder, *words)
    content = json.loads(out)
    assert code == 0
    assert (content["metric"], content["rows"]) == ("loss", 80)
    assert [set(each) for each in content["columns"]] == [{"column", "importance", "std"}] * 3


def test_images_are_listed(picture_run, tool):
    code, out, _ = tool("explain", picture_run.folder, "--inputs", "--samples", "2", "--device", "cpu")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert "pictures/000_" in out
    code, out, _ = tool("explain", picture_run.folder, "--inputs", "--samples", "1", "--device", "cpu", "--json")
    assert [set(each) for each in json.loads(out)] == [{"image", "predicted", "target", "picture"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--inputs  is what of a run can be explained; add it"),
        (["--inputs", "--samples", "3"], "--samples  is for images, and the run reads a table; leave it out"),
        (["--inputs", "--device", "cpu"], "--device  is for images, and the run reads a table; leave it out"),
        (["--inputs", "--input", "nowhere.csv"], "--input  there is no file or folder"),
    ],
)
def test_what_does_not_fit_is_refused(class_run, tool, words, said):
    code, out, err = tool("explain", class_run.folder, *words)
    assert (code, out) == (2, "")
    assert said in err


def test_options_of_tables_are_none_of_images(picture_run, tool):
    code, _, err = tool("explain", picture_run.folder, "--inputs", "--repeats", "3", "--metric", "loss")
    assert code == 2
    assert "--metric   is for tables, and the run reads images; leave it out" in err
    assert "--repeats  is for tables, and the run reads images; leave it out" in err


def test_a_number_that_is_none_is_refused(class_run, tool):
    code, _, err = tool("explain", class_run.folder, "--inputs", "--repeats", "0")
    assert code == 2
    assert "must be a whole number, at least 1, got 0" in err
