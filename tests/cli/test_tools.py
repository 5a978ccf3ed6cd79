"""What the companion tool says of studies."""

import json
import re
import signal
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.errors import StopRequested
from lightune.study.storage.lease import Lease
from lightune.training.run_owner import only_owner

TWO = (("val/accuracy", "max"), ("parameters", "min"))
FRONT = ("completed,0.5,10,0.1", "completed,0.9,30,0.2", "completed,0.5,10,0.1", "completed,0.4,20,0.3")


def test_one_objective_has_one_best_trial(study, tool):
    folder = study("completed,0.5,0.1", "completed,0.9,0.2", "failed,,0.3")
    _, out, _ = tool("best", folder)
    first, last = out.splitlines()
    assert first.startswith("trial 1  val/accuracy 0.9  optimizer.lr=0.2  ")
    assert last.startswith("run it again: ")


def test_a_front_is_said_to_be_one_wherever_its_first_trial_is_taken(study, tool):
    folder = study(*FRONT, objectives=TWO)
    _, out, _ = tool("list")
    assert "the first of 2 on the Pareto front: lightune best outputs/studies/s" in out
    _, out, _ = tool("best", folder)
    *front, last = out.splitlines()
    assert [line.split()[1] for line in front] == ["0", "1"]  # trial 2 is trial 0 again
    assert last.startswith("run trial 0, the first of 2 on the Pareto front, again: ")
    for command, words in (("evaluate", []), ("predict", ["--input", "new.csv"])):
        code, _, err = tool(command, folder, *words)
        assert code == 2  # there is no run in it
        assert (
            f"the first of 2 trials on the Pareto front (another: lightune {command} {folder}/trials/1): " in err
        )


def test_a_study_is_found_by_its_name(study, tool):
    study("completed,0.5,0.1")
    code, out, _ = tool("best", "s")
    assert code == 0
    assert out.splitlines()[0].endswith("outputs/studies/s/trials/0")
    code, _, err = tool("evaluate", "s")
    assert "best trial: outputs/studies/s/trials/0" in err
    code, _, err = tool("best", "other")
    assert (code, "other  is no study" in err) == (2, True)


def test_the_folder_of_a_best_trial_that_was_deleted_is_said_to_be_gone(study, tool):
    folder = study("completed,0.5,0.1")
    (folder / "trials" / "0").rmdir()
    assert tool("best", folder)[1].splitlines()[0].endswith("trials/0 (deleted)")
    code, _, err = tool("evaluate", folder)
    assert code == 2
    assert "the folder of its best trial (0) was deleted; take another: lightune evaluate" in err


@pytest.mark.parametrize("program", ["lightune-train", "python train.py", "python -m lightune.cli.train"])
def test_the_best_trial_is_run_again_with_what_the_study_was_started_with(study, tool, program):
    folder = study("completed,0.5,0.1", program=program)
    last = tool("best", folder)[1].splitlines()[-1]
    assert last == f"run it again: {program} --config-dir {folder} --config-name best"


@pytest.mark.parametrize(
    ("rows", "n_trials", "said"),
    [
        (["completed,0.5,0.1", "pruned,0.4,0.1"], 2, "2 trials "),
        (["completed,0.5,0.1", "failed,,0.1"], 5, "2 of 5 trials, unfinished, 1 failed "),
    ],
)
def test_a_study_that_is_not_finished_is_listed_as_such(study, tool, rows, n_trials, said):
    study(*rows, n_trials=n_trials)
    assert f"outputs/studies/s  {said}" in tool("list")[1]


def test_evaluate_refuses_what_is_no_run_without_torch(tmp_path):
    code = """
import sys
from lightune.cli import tools
try:
    tools.main(["evaluate", "nowhere"])
except SystemExit as stop:
    print(stop.code, [name for name in ("torch", "pytorch_lightning") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"
    assert "nowhere  is no run: there is no such folder" in done.stderr


@pytest.mark.parametrize("words", [["--threshold", "x"], ["--threshold", "1"], ["--batch-size", "x"]])
def test_a_number_that_is_none_is_refused_by_its_rule(tool, words):
    code, _, err = tool("predict", "run", "--input", "new.csv", *words)
    assert (code, re.search(f"{words[0]} +must be ", err) is not None) == (2, True)


def test_runs_that_were_cut_are_listed_with_the_line_that_resumes_them(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("killed", "stopped", "at work", "done"):
        (tmp_path / "outputs/runs/run" / name / ".hydra").mkdir(parents=True)
        (tmp_path / "outputs/runs/run" / name / ".hydra/config.yaml").touch()
    for name, status in (("stopped", "interrupted"), ("done", "completed")):
        (tmp_path / "outputs/runs/run" / name / "result.json").write_text(json.dumps({"status": status}))
    with only_owner(tmp_path / "outputs/runs/run/at work"):
        lines = tool("list").out.splitlines()
    rows = {line.split("  ")[0]: line for line in lines}
    again = ["lightune-train", "resume=outputs/runs/run/killed"]
    assert rows["outputs/runs/run/killed"].split()[1:] == ["unfinished", *again]
    assert "interrupted" in rows["outputs/runs/run/stopped"]
    assert "resume=outputs/runs/run/stopped" in rows["outputs/runs/run/stopped"]
    assert rows["outputs/runs/run/at work"].split()[-1] == "running"
    assert rows["outputs/runs/run/done"].split()[-1] == "completed"
    (tmp_path / "train.py").touch()
    assert """python train.py 'resume="outputs/runs/run/at work"'""" in tool("list").out


def test_the_folder_of_studies_is_listed_like_its_output_root(study, tool):
    study("completed,0.5,0.1")
    assert tool("list", "outputs/studies").out == tool("list", "outputs").out != ""


def test_figures_are_numbers_in_json(study, tool):
    folder = study("completed,0.5,0.1", "completed,0.9,adam")
    row = json.loads(tool("best", folder, "--json").out)
    assert (row["number"], row["val/accuracy"], row["optimizer.lr"]) == (1, 0.9, "adam")


def test_an_unfinished_study_is_listed_with_what_goes_on_with_it_unless_it_is_at_work(study, tool):
    folder = study("completed,0.5,0.1", n_trials=3)
    header, row = tool("list").out.splitlines()
    assert row.index("the command that began it") == header.index("go on with")
    lease = Lease(folder)
    try:
        row = tool("list").out.splitlines()[-1]
    finally:
        lease.end()
    assert row.split("  ")[1:] == ["1 of 3 trials, running", "val/accuracy 0.5000"]


def test_a_finished_study_has_nothing_to_go_on_with(study, tool):
    study("completed,0.5,0.1", n_trials=1)
    assert tool("list").out.splitlines()[-1].split("  ")[1:] == ["1 trial", "val/accuracy 0.5000"]


def root_keys():
    return [str(key) for key in compose([])]


@pytest.mark.long
@pytest.mark.parametrize(
    "words", [["evaluate"], ["export", "--to", "onnx"], ["reproduce"]], ids=lambda words: words[0]
)
@pytest.mark.parametrize("key", root_keys())
def test_a_run_whose_configuration_lacks_a_key_is_used_or_refused_in_a_line(run, tool, key, words):
    file = run / ".hydra" / "config.yaml"
    cfg = OmegaConf.load(file)
    del cfg[key]
    OmegaConf.save(cfg, file)
    code, _, err = tool(words[0], "run", *words[1:])
    assert code in (0, 2), err
    assert "Traceback" not in err
    if code == 2:
        assert f"  {key}  " in err


def test_a_reader_that_leaves_ends_a_command_without_a_word(study, tool, monkeypatch):
    def nobody_reads(*_):
        raise StopRequested(signal.SIGPIPE)

    monkeypatch.setattr("lightune.cli.show.show", nobody_reads)
    assert tool("show", study("completed,0.5,0.1")) == (128 + signal.SIGPIPE, "", "")
