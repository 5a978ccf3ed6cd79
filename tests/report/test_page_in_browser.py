"""A study's page in a real Chromium: brushed, sorted, searched, by hand and by keys; its console is empty."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from reported_studies import SPACE, by_rate, drawn_points, write_planted

from lightune.report.analysis import analyse
from lightune.report.page import page
from lightune.report.study_data import read_study
from lightune.report.times import Span

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).parents[1] / "support" / "read_page.mjs"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Install the driver of the browser for the moment; return its folder and the browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or shutil.which("npm") is None:
        pytest.skip("Chromium and npm are not installed")
    folder = tmp_path_factory.mktemp("driver")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "playwright-core"]
    subprocess.run(install, cwd=folder, check=True)
    return folder, chromium


@pytest.fixture(scope="module")
def seen(browser, tmp_path_factory):
    """Open the page of a planted study, whose texts would like to be scripts, and use it."""
    folder = tmp_path_factory.mktemp("study") / "s"
    space = {**SPACE, "augmentation": {"values": ["none", EVIL]}}
    states = ["completed", "pruned", "completed", "failed", "early_stopped"]
    write_planted(
        folder, drawn_points(200, space), by_rate, space=space, epochs=20, error=f"ValueError: {EVIL}",
        state=lambda number: states[number % 5],
    )  # fmt: skip
    (folder / "multirun.yaml").write_text(f"note: {EVIL!r}\ntags: []\n", encoding="utf-8")
    study = read_study(folder, curves=True)
    spans = {number: [Span(number % 4, number // 4 * 2.0, number // 4 * 2.0 + 1.5)] for number in range(200)}
    file = folder / "report.html"
    file.write_text(page(study, analyse(study), spans=spans), encoding="utf-8")
    where, chromium = browser
    done = subprocess.run(["node", DRIVER, file, chromium], cwd=where, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "file": file.as_uri(), "study": study}


def number_of(count):
    return int(count.split()[0])


def test_the_console_is_empty_and_nothing_is_loaded(seen):
    assert seen["said"] == []
    assert [url for url in seen["requested"] if not url.startswith("data:")] == [seen["file"]]


def test_a_brush_is_seen_in_the_table_and_outlasts_a_reload(seen):
    study = seen["study"]
    rates = [trial.point["optimizer.lr"] for trial in study.trials]
    upper = sum(float(rate) > 10**-2.5 for rate in rates)
    assert seen["all"] == "200 of 200 trials"
    assert abs(number_of(seen["brushed"]) - upper) <= 12
    assert seen["brushedRows"] == min(100, number_of(seen["brushed"]))
    assert seen["reloaded"] == seen["brushed"]
    assert seen["reset"] == seen["letGo"] == seen["all"]


def test_an_axis_is_brushed_by_keys_and_says_so(seen):
    assert 0 < number_of(seen["byKeys"]) < 120
    assert seen["spoken"] == "from 75 to 100 per cent of the axis"


def test_the_table_is_sorted_and_searched(seen):
    assert seen["best"] == str(seen["study"].best[0].number)
    assert (seen["descending"], seen["sorted"], seen["ascending"]) == ("199", "descending", "0")
    assert number_of(seen["found"]) == sum(trial.point["optimizer"] == "sgd" for trial in seen["study"].trials)
    assert "val/accuracy" in seen["detail"]


def test_every_view_is_drawn_and_has_a_name(seen):
    names = [name for name, _ in seen["drawings"]]
    assert len(names) == 10  # parallel, history, five slices, a pair, curves, timeline
    assert all(names)
    assert all(ink > 500 for _, ink in seen["drawings"])


def test_a_narrow_page_does_not_scroll_sideways(seen):
    assert seen["sideways"] <= 0


def test_without_javascript_the_best_fifty_are_there(seen):
    rows, tools, drawings = seen["withoutScript"]
    assert (rows, tools, drawings) == (50, False, 0)
