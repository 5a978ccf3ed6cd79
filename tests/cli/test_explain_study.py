import csv
import json

import pytest
from reported_studies import write_by_rate

from lightune.paths import typed_as
from lightune.report.study_data import read_study
from lightune.study.outputs.reader import open_study

SMALL = ("trainer=cpu", "model.units=8", "~callbacks.early_stopping", "hydra/launcher=basic")


@pytest.fixture
def cli(cli):
    """Run the application under its own name."""

    def call(*words):
        with typed_as("lightune-train"):
            return cli(*words)

    return call


@pytest.fixture
def study(cli, tmp_path):
    """A study of two trials, whose best is at a rate that is not the default."""
    answer = cli("-m", *SMALL, "trainer.max_epochs=2", "search.study=s", "optimizer.lr=1e-4,1e-2")
    assert answer.code == 0, answer.err
    return tmp_path / "outputs" / "studies" / "s"


@pytest.mark.long
def test_what_a_change_bought_is_measured_told_and_kept(study, tool):
    answer = tool("explain", study, "--seeds", "2", "--json")
    assert answer.code == 0, answer.err
    assert "trains 4 runs: 1 change from the default to the best, alone and taken back" in answer.err
    told = json.loads(answer.out[answer.out.index('{\n  "study"') :])
    (change,) = told["changes"]
    assert (change["key"], change["default"], change["best"]) == ("optimizer.lr", "0.001", "0.01")
    trained = read_study(study / "explain" / "trained")
    values = {(trial.point["optimizer.lr"], trial.point["seed"]): trial.values[0] for trial in trained.trials}
    assert {*values} == {(rate, seed) for rate in ("0.001", "0.01") for seed in ("1", "2")}
    gains = [values["0.01", seed] - values["0.001", seed] for seed in ("1", "2")]
    assert change["bought"]["mean"] == pytest.approx(sum(gains) / 2)
    assert change["bought"]["mean"] > 0.05  # two epochs at a tenth of the rate
    assert told["in_all"]["mean"] == pytest.approx(change["bought"]["mean"])
    assert told["pruned"] is None
    (row,) = csv.DictReader((study / "explain" / "changes.csv").read_text().splitlines())
    assert (row["key"], float(row["bought"])) == ("optimizer.lr", pytest.approx(change["bought"]["mean"]))

    before = (study / "explain" / "trained" / "trials.csv").read_bytes()
    again = tool("explain", study, "--seeds", "2")
    assert again.code == 0, again.err
    assert (study / "explain" / "trained" / "trials.csv").read_bytes() == before  # nothing is trained twice
    assert "0.001 -> 0.01" in again.out
    assert len(open_study(study).rows) == 2  # the study is what it was


@pytest.mark.long
def test_pruned_trials_are_trained_to_their_end(cli, tool, tmp_path):
    words = (*SMALL, "trainer.max_epochs=3", "search=random", "search.n_trials=4", "search.study=p")
    pruner = "search.pruner={_target_: optuna.pruners.ThresholdPruner, lower: 0.2}"
    assert cli("-m", *words, pruner, "optimizer.lr=choice(1e-5,1e-2)").code == 0
    folder = tmp_path / "outputs" / "studies" / "p"
    pruned = [row for row in open_study(folder).rows if row["state"] == "pruned"]
    assert pruned
    answer = tool("explain", folder, "--seeds", "1", "--pruned", "1")
    assert answer.code == 0, answer.err
    assert "pruning  1 pruned trial trained to the end: none is better than the best" in answer.out
    trained = read_study(folder / "explain" / "trained")
    finished = [trial for trial in trained.trials if trial.point["optimizer.lr"] == "1e-05"]
    assert [(trial.state, trial.epochs) for trial in finished] == [("completed", 3)]
    assert not list((folder / "explain").rglob("*_test.csv"))  # no trial reads the test part


@pytest.mark.long
def test_keys_that_exist_only_under_a_value_of_the_best_are_explained(cli, tool, tmp_path):
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "two.yaml").write_text(
        "# @package _global_\n"
        "search:\n  space:\n    optimizer: choice(adamw, sgd)\n"
        "    optimizer.momentum: {space: 'choice(0.0, 0.9)', when: {optimizer: sgd}}\n"
    )
    words = (*SMALL, "trainer.max_epochs=2", "search.study=c", "experiment=two", "search=grid")
    answer = cli("--config-dir", str(tmp_path / "own"), "-m", *words)
    assert answer.code == 0, answer.err
    folder = tmp_path / "outputs" / "studies" / "c"
    best = read_study(folder).best[0].point
    assert best["optimizer"] == "sgd"
    answer = tool("explain", folder, "--seeds", "1", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out[answer.out.index('{\n  "study"') :])
    trained = read_study(folder / "explain" / "trained")
    points = [(trial.point["optimizer"], trial.point.get("optimizer.momentum")) for trial in trained.trials]
    assert ("adamw", None) in points
    assert {change["key"] for change in told["changes"]} >= {"optimizer"}
    assert all(change["bought"] is not None for change in told["changes"])
    assert "What bought what" in (folder / "report.html").read_text()
    shown = tool("show", folder)
    assert "adamw -> sgd" in shown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "--seeds  must be a whole number, at least 1, got 0"),
        (["--pruned", "-1"], "--pruned  must be a whole number, at least 0, got -1"),
        (["--metric", "loss"], "--metric  is for --inputs; leave it out"),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(tool, tmp_path, words, said):
    folder = write_by_rate(tmp_path / "s", count=5)
    answer = tool("explain", folder, *words)
    assert answer.code == 2
    assert said in answer.err
    assert not (folder / "explain").exists()


def test_a_study_of_a_program_of_others_is_refused(tool, tmp_path):
    folder = write_by_rate(tmp_path / "s", count=5, program="python other.py")
    answer = tool("explain", folder)
    assert answer.code == 2
    assert "cannot be trained again from here" in answer.err


def test_what_is_no_study_has_no_changes_to_explain(tool, tmp_path):
    answer = tool("explain", tmp_path, "--seeds", "3")
    assert answer.code == 2


def test_a_study_around_a_run_is_refused_with_what_to_explain_instead(tool, tmp_path):
    folder = write_by_rate(tmp_path / "s", 4, overrides=["from=other", "optimizer.lr=interval(0.1,1)"])
    code, _, err = tool("explain", folder)
    assert (code, "explain the study that from=other names" in err) == (2, True)
    assert not (folder / "explain").exists()
