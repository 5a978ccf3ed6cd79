"""`lightune show`: a study or a run."""

import json
import subprocess
import sys

import pytest
from reported_studies import write_by_rate, write_planted, write_result
from studies import write_command

from lightune.report.analysis import analyse, keep_analysis
from lightune.report.study_data import read_study


@pytest.fixture
def folder(tmp_path):
    """Write a planted study, and what is known of it."""
    folder = write_by_rate(tmp_path / "s", 24, state=lambda number: "failed" if number % 8 == 5 else "completed")
    keep_analysis(read_study(folder), analyse(read_study(folder)))
    return folder


def test_a_study_is_shown_from_the_best(folder, tool):
    code, out, _ = tool("show", folder, "--top", 3)
    lines = out.splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("trial  "))
    best = read_study(folder).best[0].number
    assert (code, lines[head + 1].split()[0]) == (0, str(best))
    assert lines[head + 4] == "and 21 trials more: --top 24 shows them"
    assert "3 trials failed: ValueError: too large" in out


def test_seeds_of_a_point_are_one_row_unless_each_trial_is_asked_for(tmp_path, tool):
    points = [{"lr": rate, "seed": seed} for rate in ("0.1", "0.2") for seed in ("0", "1")]
    space = {"lr": {"values": ["0.1", "0.2"]}, "seed": {"values": ["0", "1"]}}
    folder = write_planted(tmp_path / "s", points, lambda point: float(point["lr"]) + float(point["seed"]) / 2,
                           space=space, sampler=None)  # fmt: skip
    heading, first, second = tool("show", folder)[1].splitlines()[-3:]
    assert (heading.split()[:3], first.split()[:5]) == (
        ["trial", "val/accuracy", "seeds"],
        ["2", "0.4500", "±", "0.35", "2"],
    )
    assert second.split()[0] == "0"
    fourth_last = tool("show", folder, "--trials")[1].splitlines()[-4]
    assert " ".join(fourth_last.split()) == "3 0.7000 5 1.3 completed 0.2 1"
    assert len(tool("report", folder, "--table", "csv")[1].splitlines()) == 3
    assert len(tool("report", folder, "--table", "csv", "--trials")[1].splitlines()) == 5
    about = json.loads(tool("show", folder, "--json")[1])
    assert ([point["trial"] for point in about["points"]], len(about["trials"])) == ([2, 0], 4)


def test_trials_are_chosen_and_sorted(folder, tool):
    _, out, _ = tool(
        "show", folder, "--json", "--where", "lr > 0.001 and state = completed", "--sort", "optimizer.lr"
    )
    rates = [trial["lr"] for trial in json.loads(out)["trials"]]
    assert rates == sorted(rates)
    assert min(rates) > 0.001
    _, out, _ = tool("show", folder, "--json", "--sort", "trial", "--reverse")
    assert [trial["trial"] for trial in json.loads(out)["trials"]] == list(reversed(range(24)))


def test_json_has_numbers_as_numbers(folder, tool):
    about = json.loads(tool("show", folder, "--json")[1])
    assert about["counts"] == {"completed": 21, "failed": 3}
    assert about["importances"][0][0]["key"] == "optimizer.lr"
    assert isinstance(about["value"], float)
    assert about["next"]["command"].startswith("python train.py -m ")
    assert isinstance(about["trials"][0]["units"], int)


def test_a_run_is_shown_with_the_command_that_goes_on_with_it(tmp_path, tool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_result(tmp_path / "r", 0.9, status="interrupted")
    code, out, _ = tool("show", "r")
    assert (code, out.splitlines()[-1]) == (0, "go on with: lightune-train resume=r")
    assert json.loads(tool("show", "r", "--json")[1])["go_on_with"] == "lightune-train resume=r"


def test_a_trial_that_was_cut_off_goes_on_with_its_study(tmp_path, tool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = "optimizer.lr=interval(0.1,1)"
    folder = tmp_path / "outputs" / "studies" / "s"
    write_by_rate(folder, 3, n_trials=9, overrides=[sweep, "search.n_trials=4", "search.study=s"])
    write_result(folder / "trials" / "0", 0.9, status="interrupted")

    def last():
        return tool("show", folder / "trials" / "0")[1].splitlines()[-1]

    assert last() == f"go on with: python train.py -m '{sweep}' search.n_trials=9 search.study=s"
    write_command(folder, sweep, hydra=["hydra.launcher.setup=[curl]"])
    assert last() == "go on with: the command that began it"


def test_what_cannot_be_shown_is_refused(tmp_path, folder, tool):
    code, _, err = tool("show", tmp_path / "nowhere")
    assert (code, "is neither a run nor a study" in err) == (2, True)
    write_result(tmp_path / "r", 0.9)
    code, _, err = tool("show", tmp_path / "r", "--sort", "x", "--where", "y = 1")
    assert (code, err.count("is for the trials of a study, and this is a run")) == (2, 2)
    code, _, err = tool("show", folder, "--top", 0)
    assert (code, "--top  must be > 0, got 0" in err) == (2, True)
    code, _, err = tool("show", folder, "--where", "rate > 1")
    assert (code, "there is no rate" in err) == (2, True)


def test_what_is_known_is_shown_without_anything_heavy(folder):
    code = (
        "import sys; from lightune.cli.tools import main; main(['show', sys.argv[1]])\n"
        "print([n for n in ('torch', 'pytorch_lightning', 'optuna', 'numpy', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
