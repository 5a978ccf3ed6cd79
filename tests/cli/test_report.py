"""`lightune report`: a page, or a table for a paper."""

import csv
import io

import pytest
from page_reader import Page
from reported_studies import write_by_rate


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write a planted study."""
    monkeypatch.chdir(tmp_path)
    return write_by_rate(tmp_path / "outputs" / "studies" / "s", 8)


def test_the_page_is_written_into_the_study(folder, tool):
    code, out, _ = tool("report", "s")
    assert (code, out.strip()) == (0, "outputs/studies/s/report.html")
    assert "8 trials: 8 completed" in Page((folder / "report.html").read_text()).text
    assert (folder / "analysis.json").is_file()


def test_it_may_be_written_elsewhere(folder, tool):
    assert tool("report", folder, "--output", "page.html")[1].strip() == "page.html"
    assert not (folder / "report.html").exists()


def test_several_are_put_beside_each_other(folder, tmp_path, tool):
    write_by_rate(tmp_path / "outputs" / "studies" / "t", 9)
    assert tool("report", "s", "t", "--against")[:2] == (0, "against.html\n")
    assert "9 trials: 9 completed" in Page((tmp_path / "against.html").read_text()).text
    assert tool("report", "s", "t", "--against", "--output", "other.html")[1] == "other.html\n"


def test_a_table_is_printed(folder, tool):
    rows = list(csv.DictReader(io.StringIO(tool("report", "s", "--table", "csv", "--where", "lr > 0.001")[1])))
    assert rows
    assert all(float(row["lr"]) > 0.001 for row in rows)
    lines = tool("report", "s", "--table", "markdown", "--top", 2, "--sort", "lr")[1].splitlines()
    assert len(lines) == 4
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--top", 3, "--sort", "lr"], "--sort  is for --table, which is not given"),
        (["--table", "csv", "--output", "x"], "--output  is for the page"),
        (["--table", "csv", "--top", 0], "--top  must be > 0, got 0"),
        (["--table", "csv", "--where", "rate = 1"], "there is no rate"),
        (["--output", "outputs/studies/s/trials.csv/x"], "cannot be written"),
        (["--plotly", "--table", "csv"], "--plotly  draws a page"),
        (["--against"], "--against  takes two studies or runs, or more, got s"),
        (["s", "--against", "--top", 3], "--top  is for one study, not beside --against"),
        (["s"], "takes one study, got 2; --against puts several beside each other"),
        (["nowhere", "gone", "--against"], "gone     is neither a run nor a study"),
    ],
)
def test_what_cannot_be_done_is_refused(folder, tool, words, said):
    code, _, err = tool("report", "s", *words)
    assert (code, said in err) == (2, True), err


def test_a_folder_of_other_things_is_refused(tmp_path, tool):
    code, _, err = tool("report", tmp_path)
    assert (code, "is no study" in err) == (2, True)
