import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightune.config import trust as trusting
from lightune.config.trust import is_trusted
from lightune.errors import InterruptedRun, TrainingError
from lightune.job import follower

FAILED = SimpleNamespace(
    error=SimpleNamespace(type="ValueError", message="told to"), status="failed", run_dir="it"
)


@pytest.fixture
def follow(monkeypatch):
    """Follow a process that has given an order; return what was trained."""
    calls, begun = [], []
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trusting, "_added", [])
    monkeypatch.setattr(follower, "end_with_parent", lambda: begun.append("watching"))

    def run(error=None, **order):
        def train(cfg, **how):
            assert begun == ["watching"]
            calls.append((cfg, how))
            if error is not None:
                raise error

        order = {"path": sys.path, "trusted": [], "config": "seed: 1", "run_dir": "it", **order}
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(order) + "\n"))
        monkeypatch.setattr(follower, "train", train)
        follower.main()
        return calls

    return run


def test_what_was_ordered_is_trained(follow):
    ((cfg, how),) = follow(config="seed: 3\nnote: ${seed}\n", run_dir="runs/it", verbose=True, resume=False)
    assert (cfg.seed, cfg.note) == (3, 3)
    assert how == {"run_dir": Path("runs/it"), "verbose": True, "resume": False}


def test_code_of_ones_own_is_found_and_trusted_as_in_the_first_process(follow):
    follow(path=["/somewhere", *sys.path], trusted=["own_package"])
    assert sys.path[0] == "/somewhere"
    assert is_trusted("own_package.Net")


@pytest.mark.parametrize(("error", "code"), [(TrainingError(FAILED), 1), (InterruptedRun(FAILED, 143), 143)])
def test_it_ends_as_a_run_does(follow, error, code):
    with pytest.raises(SystemExit) as stop:
        follow(error)
    assert stop.value.code == code


def test_a_failure_is_told_in_one_line_with_the_number_of_the_process(follow, monkeypatch, capsys):
    monkeypatch.setenv("LIGHTUNE_RANK", "2")
    with pytest.raises(SystemExit):
        follow(TrainingError(FAILED))
    assert capsys.readouterr().err == "process 2: ValueError: told to (see it)\n"
