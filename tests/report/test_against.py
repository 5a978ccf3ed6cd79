"""Several studies or runs beside each other."""

import re

import pytest
from page_reader import Page
from reported_studies import write_by_rate, write_curve, write_result

from lightune.report.against import Member, against_page
from lightune.report.analysis import analyse
from lightune.report.comparison import read_subjects


@pytest.fixture
def page_of(tmp_path):
    """Write the page of folders."""

    def make(*folders):
        members = [
            Member(subject, study, analyse(study) if study is not None else None)
            for subject, study in read_subjects(folders, curves=True)
        ]
        return against_page(members)

    return make


def test_studies_and_runs_are_beside_each_other(tmp_path, page_of):
    study = write_by_rate(tmp_path / "a", 24)
    run = tmp_path / "b"
    write_result(run, 0.91, seconds={"train": 2.0})
    write_curve(run, [0.5, 0.8, 0.91])
    text = page_of(study, run)
    shown = Page(text)
    assert shown.run() == []
    assert "24 trials: 24 completed" in shown.text
    assert re.search(r"lr \d+%", shown.text)
    assert "0.9100" in shown.text
    assert "No test: they cannot be compared." in shown.text
    assert text.count('class="line k0" d="M64') == 2  # its history, and the curve of its best
    assert text.count('class="line k1" d="M64') == 1
    assert "Learning curves of val/accuracy: A from" in text


def test_the_best_so_far_never_gets_worse(tmp_path, page_of):
    text = page_of(write_by_rate(tmp_path / "a", 24), write_by_rate(tmp_path / "b", 30))
    for kind in ("k0", "k1"):
        history = re.findall(rf'class="line {kind}" d="M([^"]*L[^"]*)"', text)[0]
        heights = [float(point.split()[1]) for point in history.split("L")]
        assert heights == sorted(heights, reverse=True)  # higher on the page is less
        assert heights[0] > heights[-1]


def test_every_text_is_a_text(tmp_path, page_of):
    folder = tmp_path / "<script>alert(1)<script>"
    write_result(folder, 0.5, status="completed")
    page = Page(page_of(folder, folder))
    assert page.run() == []
    assert "<script>alert(1)<script>" in page.text
