"""What needs no torch comes without it: help, completion, the configuration, refusals."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "pytorch_lightning", "torchmetrics", "torchvision", "optuna", "sklearn", "numpy", "tensorboard")
PROBE = f"""
import json, sys
from lightune.cli.train import main
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code or 0
print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)
"""


def probe(tmp_path, *arguments, **environment):
    """Run the application in a fresh process; return exit code, heavy modules, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        check=True,
    )
    *said, last = done.stderr.splitlines()
    code, heavy = json.loads(last)
    return code, heavy, done.stdout + "\n".join(said)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Groups: choose with group=option"),
        (["--cfg", "job"], "_target_: lightune.models.MLP"),
        (["--info", "searchpath"], "| main "),
    ],
)
def test_questions_are_answered_without_torch(tmp_path, arguments, expected):
    code, heavy, said = probe(tmp_path, *arguments)
    assert (code, heavy) == (0, [])
    assert expected in said
    assert list(tmp_path.iterdir()) == []


def test_completion_is_light(tmp_path):
    line = "lightune-train model=c"
    code, heavy, said = probe(tmp_path, "-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert (code, heavy) == (0, [])
    assert "model=cnn" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["optimzer.lr=1"], "did you mean 'optimizer.lr'?"),
        (["model.unis=3"], "did you mean 'model.units'?"),
        (["optimizer=adamm"], "did you mean 'adam'?"),
        (["model=null"], "must be one of its options, got null (there are audio_cnn, cnn"),
        (["optimizer.lr=1e-3,1e-2"], "add --multirun"),
        (["+optimizer.lrr=1", "seed=abc", "model.units=0"], "lightune: 3 problems, nothing was started"),
        (["name=../../x"], "must be one plain folder name"),
        (["hydra.run.dir=/tmp/lightune_elsewhere"], "must lie below output_root (outputs)"),
        (["model=cnn", "data=wine"], "choose model=ft_transformer, mlp"),
        (["model._target_=os.system"], "is not trusted"),
        (["-m", "optimizer.lr=1e-3,-1", "seed=0,1"], "optimizer.lr  must be a finite number > 0, got -1"),
    ],
)
def test_refusals_are_light_and_leave_nothing(tmp_path, arguments, expected):
    code, heavy, said = probe(tmp_path, *arguments)
    assert (code, heavy) == (2, [])
    assert expected in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["lightune", "lightune.cli.tools", "hydra_plugins.hydra_lightune"])
def test_doors_import_nothing_heavy(tmp_path, module):
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"
