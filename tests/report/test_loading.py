"""A study in Python and in notebooks."""

import subprocess
import sys

import optuna
import pytest
from page_reader import Page
from reported_studies import SPACE, by_rate, drawn_points, write_by_rate, write_planted

import lightune
from lightune.errors import ConfigError


@pytest.fixture
def study(tmp_path):
    """Load a planted study."""
    return lightune.load_study(write_by_rate(tmp_path / "s", 24))


def test_a_study_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_by_rate(tmp_path / "outputs" / "studies" / "mine", 3)
    assert len(lightune.load_study("mine").trials) == 3
    with pytest.raises(ConfigError, match="is no study"):
        lightune.load_study("other")


def test_the_best_trial_and_what_mattered_are_there(study):
    assert study.best.reached == max(trial.reached for trial in study.trials)
    assert study.analysis.mattered == ["optimizer.lr"]
    assert repr(study).startswith("Study('")


def test_trials_are_a_dataframe_of_numbers(study):
    pytest.importorskip("pandas")
    frame = study.dataframe()
    assert (len(frame), frame["lr"].dtype.kind, frame["val/accuracy"].dtype.kind) == (24, "f", "f")
    assert frame.index.name == "trial"
    assert frame["units"].tolist() == [int(trial.point["model.units"]) for trial in study.trials]
    assert frame["val/accuracy"].idxmax() == study.best.number
    assert set(frame["optimizer"]) == {"adam", "sgd"}


def test_a_trial_without_a_value_is_a_gap_in_the_dataframe(tmp_path):
    pytest.importorskip("pandas")
    folder = write_by_rate(tmp_path / "s", 4, state=lambda number: "failed" if number == 2 else "completed")
    frame = lightune.load_study(folder).dataframe()
    assert frame["val/accuracy"].isna().tolist() == [False, False, True, False]
    assert frame["error"][2] == "ValueError: too large"


def test_optuna_opens_the_journal_of_a_study(study):
    with pytest.raises(ConfigError):
        _ = study.optuna  # there is none
    backend = optuna.storages.journal.JournalFileBackend(str(study.folder / "journal.log"))
    optuna.create_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    assert study.optuna.study_name == "s"


def test_a_page_is_written(study, tmp_path):
    assert study.report(tmp_path / "page.html").is_file()
    assert "24 trials" in Page(study.report().read_text()).text


def test_a_notebook_shows_text_and_html_without_a_script(tmp_path):
    space = {**SPACE, "x": {"values": ["<script>alert(1)</script>", "b"]}}
    folder = write_planted(tmp_path / "s", drawn_points(12, space), by_rate, space=space)
    shown = lightune.load_study(folder)._repr_mimebundle_()
    assert "next: python train.py" in shown["text/plain"]
    page = Page(shown["text/html"])
    assert page.run() == []
    assert "val/accuracy" in page.text
    assert "next: <code>python train.py" in shown["text/html"]


def test_the_public_names_are_shown_and_no_others():
    assert [name for name in dir(lightune) if not name.startswith("_")] == sorted(lightune.__all__)


def test_loading_a_study_takes_nothing_heavy(tmp_path):
    folder = write_by_rate(tmp_path / "s", 3)
    code = (
        "import sys, lightune; lightune.load_study(sys.argv[1])\n"
        "print([name for name in ('torch', 'optuna', 'numpy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
