"""Optuna's own figures of a study."""

from importlib import import_module

import optuna
import pytest
from page_reader import Page

from lightune.errors import ConfigError
from lightune.report.plotly_page import plotly_page, require_plotly

HOSTILE = "</script><script>alert(1)</script>"


def drawn(study, *names):
    pytest.importorskip("plotly")
    return plotly_page(study, list(names))


@pytest.fixture
def study():
    """Make a study of two parameters, one of whose values is no text to be run."""
    made = optuna.create_study(study_name=HOSTILE, direction="maximize")
    for number in range(6):
        trial = made.ask()
        rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("kind", ["a", HOSTILE])
        trial.report(rate, 1)
        made.tell(trial, rate + number)
    return made


def test_where_plotly_is_missing_it_is_said_how_to_have_it(monkeypatch):
    monkeypatch.setattr(import_module("optuna.visualization"), "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"needs plotly, .* pip install 'lightune\[plots\]'"):
        require_plotly()


def test_each_figure_is_there_and_every_text_is_a_text(study):
    text = drawn(study, "val/accuracy")
    page = Page(text)
    for title in ("optimization history", "param importances", "slice", "intermediate values", "timeline"):
        assert title in page.texts
    scripts = page.run()
    assert not [script for script in scripts if script.strip() == "alert(1)"]
    assert sum("Plotly.newPlot" in script for script in scripts) == 10  # the library, and nine figures


def test_a_figure_that_cannot_be_drawn_has_its_reason(study, monkeypatch):
    def fails(study, **about):
        raise ValueError("too <few> trials")

    monkeypatch.setattr(optuna.visualization, "plot_slice", fails)
    text = drawn(study, "x")
    assert "<p>too &lt;few&gt; trials</p>" in text
    assert sum("Plotly.newPlot" in script for script in Page(text).run()) == 9


def test_of_several_objectives_there_is_the_front():
    study = optuna.create_study(study_name="s", directions=["maximize", "minimize"])
    for _ in range(3):
        trial = study.ask()
        rate = trial.suggest_float("lr", 0.1, 1)
        study.tell(trial, [rate, rate])
    text = Page(drawn(study, "val/accuracy", "parameters")).text
    assert "pareto front" in text
    assert "slice of parameters" in text
