"""What was computed of a study is kept, and believed for as long as its trials are the same."""

import json
import subprocess
import sys

import pytest
from reported_studies import write_by_rate

from lightune.report.analysis import FILE_NAME, analyse, keep_analysis, read_analysis
from lightune.report.study_data import read_study


@pytest.fixture
def kept(tmp_path):
    """Write a study with its analysis."""
    study = read_study(write_by_rate(tmp_path / "s", 30))
    analysis = analyse(study)
    keep_analysis(study, analysis)
    return study, analysis


def test_an_analysis_is_read_as_it_was_kept(kept):
    study, analysis = kept
    assert read_analysis(study) == analysis
    assert analysis.mattered == ["optimizer.lr"]


def test_what_was_kept_is_not_computed_again(kept):
    study, _ = kept
    code = (
        "import sys; from pathlib import Path; from lightune.report.analysis import analyse\n"
        "from lightune.report.study_data import read_study; analyse(read_study(Path(sys.argv[1])))\n"
        "print([name for name in ('optuna', 'numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, study.folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_other_trials_are_judged_anew(kept):
    study, _ = kept
    table = study.folder / "trials.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:21]))
    assert analyse(read_study(study.folder)).trials == 20


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"importances": [[{"key": "rm", "share": 1, "chance": 0}]]},
        {"importances": []},
        {"luck": 3},
        {"trials": "many"},
    ],
)
def test_a_file_of_somebody_else_is_not_believed(kept, change):
    study, _ = kept
    file = study.folder / FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert read_analysis(study) is None
