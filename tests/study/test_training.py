"""Studies of real trainings, from the command line, in processes of their own."""

import json
import statistics
import sys

import pytest
from curves import session_start
from omegaconf import OmegaConf
from studies import results, rows

from lightune.cli import tools
from lightune.run import prepare
from lightune.study.outputs.reader import open_study

pytestmark = pytest.mark.long

SHORT = ["trainer=cpu", "output_root=out"]


def test_a_study_from_its_first_trial_to_its_best_run_again(cli, tmp_path):
    study = tmp_path / "out" / "studies" / "s"
    swept = ["optimizer.lr=1e-4,1e-2", "optimizer=adam,sgd", "search.study=s", "trainer.max_epochs=2"]
    code, out, err = cli("-m", *swept, *SHORT)
    assert code == 0, err
    assert [row["state"] for row in rows(study)] == ["completed"] * 4
    points = [(float(row["optimizer.lr"]), row["optimizer"]) for row in rows(study)]
    assert points == [(1e-4, "adam"), (1e-4, "sgd"), (1e-2, "adam"), (1e-2, "sgd")]
    assert not any(name.startswith("test/") for result in results(study) for name in result["metrics"])
    assert "epoch 1/2" not in out + err  # trainings speak in their own folders
    assert "epoch 1/2" in (study / "trials" / "0" / "console.log").read_text()
    assert {path.parent.parent.name for path in study.rglob("events.out.tfevents.*")} == {"trials"}

    best = open_study(study).best()[0]
    assert best["optimizer"] == "adam"
    code, out, err = cli("--config-dir", str(study), "--config-name", "best")
    assert code == 0, err
    (again,) = (tmp_path / "out" / "runs").rglob("result.json")
    assert json.loads(again.read_text())["objective"]["value"] == float(best["val/accuracy"])

    around = ["seed=1,2", "hydra/launcher=basic", "trainer.max_epochs=1", "search.study=around"]
    code, _, err = cli("-m", "--config-dir", str(study), "--config-name", "best", *around)
    assert code == 0, err
    assert [row["seed"] for row in rows(tmp_path / "out" / "studies" / "around")] == ["1", "2"]

    code, out, _ = cli(main=lambda: tools.main(["best", str(study), "--json"]))
    assert json.loads(out)["number"] == int(best["number"])
    code, out, _ = cli(main=lambda: tools.main(["list", "out"]))
    assert "4 trials" in out
    code, out, _ = cli(main=lambda: tools.main(["list", str(tmp_path / "out")]))
    assert str(study) in out  # whole, however long it is
    code, out, _ = cli(main=lambda: tools.main(["evaluate", str(study)]))
    assert "test/accuracy" in out

    code, out, err = cli("-m", "optimizer.lr=1e-4,1e-2", "optimizer=adam", "search.study=s", *SHORT)
    assert code == 2
    assert "began with other overrides" in err


def test_trials_that_differ_in_their_seed_are_judged_on_the_same_rows(cli, tmp_path):
    swept = ["seed=3,4", "repeats=2", "search.study=s", "data=wine", "model.units=4", "trainer.max_epochs=1"]
    code, _, err = cli("-m", *swept, "hydra/launcher=basic", *SHORT)
    assert code == 0, err
    study = tmp_path / "out" / "studies" / "s"
    parts = [json.loads((study / "trials" / number / "data.json").read_text()) for number in "01"]
    assert parts[0] == parts[1]
    saved = [OmegaConf.load(study / "trials" / number / ".hydra" / "config.yaml") for number in "01"]
    plans = [prepare(cfg).plans for cfg in saved]
    assert [plan.seed for each in plans for plan in each] == [3, 4, 4, 5]
    rows_of = [[plan.split.val.tolist() for plan in each] for each in plans]
    assert rows_of[0] == rows_of[1]
    assert rows_of[0][0] != rows_of[0][1]
    best = OmegaConf.load(study / "best.yaml")
    assert (best.seed, best.validation.split_seed) in ((3, 0), (4, 0))


def test_the_poor_are_pruned_and_said_to_be(cli, tmp_path):
    swept = ["optimizer.lr=0.01,1e-8", "search=grid", "search.study=p", "trainer.max_epochs=4"]
    pruner = "search.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:1,n_warmup_steps:1}"
    code, _, err = cli("-m", *swept, "model.units=8,16", pruner, *SHORT)
    assert code == 0, err
    study = tmp_path / "out" / "studies" / "p"
    states = [row["state"] for row in rows(study)]
    assert states[:2] == ["completed", "completed"]
    assert "pruned" in states[2:]
    for row, result in zip(rows(study), results(study), strict=True):
        assert result["status"] == row["state"]
        assert (result["epochs"] < 4) == (row["state"] == "pruned")


def trials_of(study):
    """Return the trials as Optuna recorded them."""
    from lightune.study.storage.backends import open_storage

    storage = open_storage(None, study)
    (known,) = storage.get_all_studies()
    return storage.get_all_trials(known._study_id)


EAGER = "search.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:1,n_warmup_steps:0}"


def test_trials_that_cannot_begin_have_rows_on_the_page_of_parameters(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTUNE_TRUST", "own")
    (tmp_path / "own.py").write_text("def broken(**settings):\n    raise RuntimeError('told to')\n")
    swept = ["loss._target_=lightune.losses.CrossEntropy,own.broken", "search.study=h", "trainer.max_epochs=1"]
    code, _, err = cli("-m", *swept, "search.max_failures=1", *SHORT)
    assert code == 0, err
    study = tmp_path / "out" / "studies" / "h"
    assert [row["state"] for row in rows(study)] == ["completed", "failed"]
    assert rows(study)[1]["error"] == "ConfigError: loss: RuntimeError: told to (own.py, line 2)"
    starts = [session_start(study / "trials" / number) for number in "01"]
    assert [start.group_name for start in starts] == ["trial 0, h", "trial 1, h"]
    losses = [start.hparams["loss._target_"].string_value for start in starts]
    assert losses == ["lightune.losses.CrossEntropy", "own.broken"]


OWN_NET = """
from lightune.models import MLP


class Net(MLP):
    pass
"""


@pytest.mark.parametrize("launcher", ["basic", "fused", pytest.param("local", marks=pytest.mark.slow)])
def test_each_trial_tells_its_version_of_the_code_and_an_edit_of_the_network_is_said(
    cli, tmp_path, monkeypatch, launcher
):
    own = f"own_net_{launcher}"
    monkeypatch.setenv("LIGHTUNE_TRUST", own)
    (tmp_path / f"{own}.py").write_text(OWN_NET)
    swept = ["optimizer.lr=tag(log,interval(1e-3,1e-2))", f"model._target_={own}.Net", "data=wine"]
    command = [
        "-m",
        *swept,
        f"hydra/launcher={launcher}",
        "search.study=c",
        "logger=none",
        "trainer.max_epochs=1",
        *SHORT,
    ]
    code, out, err = cli(*command, "search.n_trials=2")
    assert (code, "edited" in out) == (0, False), err
    study = tmp_path / "out" / "studies" / "c"
    began = json.loads((study / "study.json").read_text())["code"]
    (tmp_path / f"{own}.py").write_text(OWN_NET.replace("pass", "extra = 1"))
    code, out, err = cli(*command, "search.n_trials=3", "search.changed_code=refuse")
    assert code == 2
    assert f"code was edited since the study began ({own}.py)" in err
    monkeypatch.delitem(sys.modules, own, raising=False)  # as in a new process
    code, out, err = cli(*command, "search.n_trials=3")
    assert code == 0, err
    assert f"code was edited since the study began ({own}.py): trials from now on" in out
    versions = [result["provenance"]["code"] for result in results(study)]
    assert versions[:2] == [began["digest"]] * 2
    assert versions[2] not in (None, began["digest"])


@pytest.mark.slow
def test_folds_report_their_running_mean(cli, tmp_path):
    swept = ["optimizer.lr=0.01,1e-8", "search=grid", "search.study=f", "trainer.max_epochs=2"]
    code, _, err = cli("-m", *swept, EAGER, "validation=kfold", "validation.k=3", *SHORT)
    assert code == 0, err
    study = tmp_path / "out" / "studies" / "f"
    assert [row["state"] for row in rows(study)] == ["completed", "pruned"]
    whole, cut = results(study)
    figures = [fold["objective"]["value"] for fold in whole["folds"]]
    assert len(figures) == 3
    assert trials_of(study)[0].intermediate_values == {1: figures[0], 2: statistics.fmean(figures[:2])}
    assert len(cut["folds"]) == 1
    assert trials_of(study)[1].intermediate_values == {1: cut["folds"][0]["objective"]["value"]}


@pytest.mark.slow
def test_trials_of_several_processes_run_side_by_side_and_are_pruned_as_one(cli, tmp_path):
    swept = ["optimizer.lr=0.01,1e-8", "model.units=8,16", "search=grid", "search.study=d", "search.n_jobs=2"]
    poor = "search.pruner={_target_:optuna.pruners.ThresholdPruner,lower:0.18}"  # whoever reports first
    code, _, err = cli("-m", *swept, poor, "trainer=ddp_cpu", "trainer.max_epochs=4", "output_root=out")
    assert code == 0, err
    study = tmp_path / "out" / "studies" / "d"
    assert [row["state"] for row in rows(study)] == ["completed", "completed", "pruned", "pruned"]
    assert [result["epochs"] for result in results(study)] == [4, 4, 1, 1]
    first, second = trials_of(study)[:2]
    assert second.datetime_start < first.datetime_complete
    assert first.datetime_start < second.datetime_complete
    assert len(first.intermediate_values) == 3  # one process reported, of two


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["optimizer.lr=interval(-1,1)"], "optimizer.lr  must be a finite number > 0, got -1.0"),
        (["optimizer=adam,nosuch"], "nosuch"),
        (["search.n_trials=0", "seed=0,1"], "search.n_trials"),
        (["search.nn_trials=1", "seed=0,1"], "nn_trials"),
        (["search=grid", "optimizer.lr=interval(1e-3,1)"], "a grid needs values that can be listed"),
        (["search.enqueue=[{seed:7}]", "seed=0,1"], "search.enqueue"),
        (
            ["search=hyperband", "search.objectives=[{metric:a,mode:min},{metric:b,mode:max}]", "seed=0,1"],
            "search.pruner",
        ),
    ],
)
def test_a_search_that_cannot_run_is_refused_before_its_first_trial(cli, tmp_path, arguments, said):
    code, _, err = cli("-m", *arguments, *SHORT, "trainer.max_epochs=1", "search.timeout=0.001")
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("trials"))
