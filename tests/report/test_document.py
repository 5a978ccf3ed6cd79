"""A page that needs nothing else."""

from page_reader import Page

from lightune.report.document import asset, document


def test_a_page_runs_its_own_script_and_no_other():
    text = document("<b>", "<p>x</p>", data="{}", script="let x;")
    assert Page(text).run() == ["let x;"]
    assert "script-src 'sha256-" in text
    assert "<title>&lt;b&gt;</title>" in text


def test_a_page_without_a_script_may_run_none():
    text = document("a", "<p>x</p>")
    assert "<script" not in text
    assert "script-src" not in text
    assert "default-src 'none'" in text


def test_files_of_the_package_are_read():
    assert asset("page.css").startswith(":root")
