"""`lightune reproduce`: what it takes, what it says, and its exit code."""

import json
import shutil
from pathlib import Path

import pytest
from studies import write_study

from lightune import compose, train
from lightune.provenance.sequence import Replayed
from lightune.report.run_data import read_run


def change(run, **metrics):
    content = json.loads((run / "result.json").read_text())
    content["metrics"] |= metrics
    (run / "result.json").write_text(json.dumps(content))


def test_what_is_identical_is_said_to_be(run, tool):
    code, out, _ = tool("reproduce", "run")
    assert code == 0
    for words in ("reproduces   run", "packages, Python, processor", "val/accuracy", "checkpoints/best.ckpt"):
        assert words in out
    assert "identical: " in out
    assert "weights, to the last digit (tolerance 0)" in out
    assert "different" not in out


def test_what_is_different_is_said_with_the_difference(run, tool):
    change(run, **{"val/loss": 0.5})
    code, out, _ = tool("reproduce", "run")
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("val/loss")]
    assert "0.5 " in line
    assert "different, by " in line
    assert "different: 1 of " in out


@pytest.mark.long
def test_the_new_run_is_kept_where_it_is_asked_for(run, tool, tmp_path):
    code, out, _ = tool("reproduce", "run", "--output", "new", "--json")
    about = json.loads(out)
    assert (code, about["identical"], about["tolerance"], about["differs"]) == (0, True, 0, [])
    assert {each["identical"] for each in (*about["figures"], *about["weights"])} == {True}
    assert (tmp_path / "new" / "checkpoints" / "best.ckpt").is_file()
    code, _, err = tool("reproduce", "run", "--output", "new")
    assert code == 2
    assert "--output  must be a new or an empty folder, got new" in err


@pytest.mark.long
def test_data_named_from_where_the_command_was_typed_are_found_from_elsewhere(tmp_path, monkeypatch, tool):
    for name in ("there", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "there")
    rows = "".join(f"{number},{'ab'[number % 2]}\n" for number in range(40))
    Path("table.csv").write_text(f"x,y\n{rows}")
    words = ("data=csv", "data.path=table.csv", "data.target=y", "trainer=cpu", "trainer.max_epochs=1")
    run = train(compose([*words, "model.units=4", "logger=none"])).run_dir.absolute()
    (run / ".hydra" / "hydra.yaml").write_text(f"hydra: {{runtime: {{cwd: {tmp_path / 'there'}}}}}\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = tool("reproduce", run)
    assert (code, "identical: " in out) == (0, True), err
    assert "the new run was not kept; --output FOLDER keeps it" in err
    (tmp_path / "there" / "table.csv").rename(tmp_path / "moved.csv")
    code, _, err = tool("reproduce", run)
    assert (code, "; --data names where they lie now" in err) == (2, True)
    assert tool("reproduce", run, "--data", "../moved.csv")[0] == 0


@pytest.mark.long
def test_what_fails_now_is_different(run, tool, monkeypatch):
    monkeypatch.setattr("lightune.training.fit.Fit.train", lambda _: 1 / 0)
    code, out, _ = tool("reproduce", "run")
    assert code == 1
    assert "different: run completed then, and failed now: ZeroDivisionError" in out


def test_code_of_others_is_refused_with_what_was_recorded_of_it(run, tool, stranger):
    content = (run / ".hydra" / "config.yaml").read_text()
    text = content.replace("lightune.models.MLP", stranger.function)
    (run / ".hydra" / "config.yaml").write_text(text)
    code, _, err = tool("reproduce", str(run))
    assert code == 2
    assert "model._target_" in err
    assert "recorded of it: the digest " in err
    assert not stranger.mark.exists()


@pytest.fixture
def study(trained, tmp_path, monkeypatch):
    """A study of two trials and one that failed, as `s` in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = write_study(tmp_path / "s", "completed,0.5,1e-3", "completed,0.9,1e-2", "failed,,1e-1")
    for number in (0, 1):
        shutil.copytree(trained, folder / "trials" / str(number), dirs_exist_ok=True)
    change(folder / "trials" / "0", **{"val/loss": 0.5})
    return folder


@pytest.mark.long
@pytest.mark.parametrize("words", [["s"], ["s/report.html"], ["s", "--trial", "1"], ["s/trials/1"]])
def test_a_study_stands_for_its_best_trial(study, tool, words):
    (study / "report.html").touch()
    code, out, _ = tool("reproduce", *words)
    assert code == 0
    assert "reproduces   s/trials/1" in out


@pytest.mark.long
def test_all_trials_that_finished_have_a_line_each(study, tool):
    code, out, _ = tool("reproduce", "s", "--all")
    assert code == 1
    first, second, last, points = out.splitlines()
    assert first.startswith("s/trials/0  val/accuracy ")
    assert "different: 1 of " in first
    assert "identical: " in second
    assert last == "1 of 2 trials identical"
    assert points == "points were not compared: a grid proposes none"


@pytest.mark.long
def test_the_points_of_a_study_are_asked_for_again(study, tool, monkeypatch):
    answers = [Replayed((0, 1), (), (2,)), Replayed((0,), (1,), ())]
    change(study / "trials" / "0", **{"val/loss": read_run(study / "trials" / "1").metrics["val/loss"]})
    monkeypatch.setattr("lightune.provenance.sequence.replay", lambda _: answers.pop(0))
    code, out, _ = tool("reproduce", "s", "--all")
    assert (code, "2 of 3 points proposed again by the sampler" in out) == (0, True)
    assert "cannot be told: those of trials 2, which began while others were running" in out
    code, out, _ = tool("reproduce", "s", "--all", "--json")
    assert (code, [each["proposed_again"] for each in json.loads(out)]) == (1, [True, False])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["s", "--trial", "7"], "--trial  must be a trial of the study (0 to 2), got 7"),
        (["s", "--trial", "-1"], "must be a whole number >= 0, got -1"),
        (["s", "--trial", "1", "--all"], "--trial  is one trial, and --all is for all of them; leave one out"),
        (["s/trials/1", "--all"], "--all  is for a study, got s/trials/1"),
        (["nowhere"], "nowhere  is no run: there is no such folder"),
        (["s/study.json"], "is a file, and no page of a study"),
        (["s", "--trial", "2"], "is no run: "),
    ],
)
def test_what_cannot_be_reproduced_is_refused(study, tool, words, said):
    code, _, err = tool("reproduce", *words)
    assert code == 2
    assert said in err
