"""What the companion tool says of studies."""

import pytest

from lightune.cli import tools

TWO = (("val/accuracy", "max"), ("parameters", "min"))
FRONT = ("completed,0.5,10,0.1", "completed,0.9,30,0.2", "completed,0.5,10,0.1", "completed,0.4,20,0.3")


@pytest.fixture
def tool(capsys):
    """Run a command of the tool; return exit code, output, and what it said beside it."""

    def call(*words):
        code = 0
        try:
            tools.main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return call


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
    code, _, err = tool("evaluate", folder)
    assert code == 2  # there is no run in it
    assert f"the first of 2 trials on the Pareto front (another: lightune evaluate {folder}/trials/1): " in err
