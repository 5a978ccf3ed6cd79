"""Every kind of run, trained again: the same to the last digit."""

import json

import pytest
import torch

from lightune.checkpoints import read_checkpoint
from lightune.errors import ConfigError
from lightune.provenance.recorded import read_recorded
from lightune.provenance.reproduction import Figure, reproduce


@pytest.fixture
def again(tmp_path):
    """Reproduce a run in a clean folder."""

    def call(path, name="again", **settings):
        (tmp_path / name).mkdir()
        return reproduce(read_recorded(path), tmp_path / name, **settings)

    return call


def test_a_run_is_the_same_and_its_folder_is_left_alone(make, again):
    run = make("run", "mlp", "callbacks.early_stopping.patience=1")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    answer = again(run)
    assert answer.is_same
    assert answer.differing == []
    names = [figure.name for figure in answer.figures]
    assert {"epochs", "val/accuracy", "test/accuracy", "values of the curves"} <= set(names)
    (weights,) = answer.weights
    state = read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]
    assert weights.count == sum(value.numel() for value in state.values())
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_what_is_not_the_same_is_told(make, again):
    run = make("run")
    content = json.loads((run / "result.json").read_text())
    content["metrics"]["val/loss"] += 1e-7
    content["provenance"]["device"] = "cuda (A card)"
    (run / "result.json").write_text(json.dumps(content))
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = read_checkpoint(path)
    value = next(iter(checkpoint["state_dict"].values()))
    value.view(-1)[0] += 0.5
    torch.save(checkpoint, path)
    path.with_name("best.ckpt.sha256").unlink()
    told = []
    answer = again(run, tell=told.append)
    assert not answer.is_same
    assert [figure.name for figure in answer.figures if not figure.is_same] == ["val/loss"]
    (weights,) = answer.weights
    assert (weights.differing, weights.largest) == (1, pytest.approx(0.5, abs=1e-6))
    assert [(each.what, each.then) for each in told[0]] == [("device", "cuda (A card)")]


@pytest.mark.long
def test_a_run_without_its_checkpoints_is_compared_by_its_figures(make, again):
    run = make("run")
    (run / "checkpoints" / "best.ckpt").unlink()
    answer = again(run)
    assert answer.is_same
    assert answer.lost == ["checkpoints/best.ckpt"]
    assert answer.weights == []


@pytest.mark.long
def test_data_that_are_others_are_refused_with_what_was_recorded_of_them(make, again, tmp_path):
    run = make("run", "text")
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace(",dog", ",cat", 1))
    with pytest.raises(ConfigError) as refusal:
        again(run)
    (problem,) = refusal.value.problems
    assert problem.key == "data"
    assert "recorded of them: 60 rows with the fingerprint" in problem.message


@pytest.mark.long
def test_data_that_are_missing_are_refused_with_what_was_recorded_of_them(make, again, tmp_path):
    run = make("run", "text")
    (tmp_path / "table.csv").rename(tmp_path / "elsewhere.csv")
    with pytest.raises(ConfigError, match="recorded of them: 60 rows with the fingerprint"):
        again(run)


@pytest.mark.long
def test_data_that_are_elsewhere_can_be_named(make, again, tmp_path):
    run = make("run", "text")
    (tmp_path / "table.csv").rename(tmp_path / "elsewhere.csv")
    assert again(run, changes={"data.path": str(tmp_path / "elsewhere.csv")}).is_same


@pytest.mark.long
def test_it_computes_with_as_many_threads_as_the_run(make, again):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        run = make("run")
    finally:
        torch.set_num_threads(before)
    answer = again(run)
    assert answer.is_same
    assert answer.differing == []
    assert torch.get_num_threads() == before


@pytest.mark.long
def test_a_rate_that_was_found_is_taken_as_it_was_found(make, again, monkeypatch):
    run = make("run", "mlp", "trainer.lr_find=true")
    monkeypatch.setattr("lightune.training.finding.find_rate", None)
    assert again(run).is_same


def test_nothing_and_no_number_are_figures():
    assert Figure("val/loss", None, None).is_same
    assert Figure("val/loss", float("nan"), float("nan")).is_same
    assert not Figure("val/loss", None, 1.0).is_same
    assert not Figure("val/loss", 1.0, float("nan")).is_same


@pytest.mark.long
@pytest.mark.parametrize("network", ["mlp", "cnn", "text"])
@pytest.mark.parametrize("kind", ["run", "fold", "resumed", "longer", "trial", "fused"])
def test_every_kind_of_run_is_the_same(make, again, kind, network):
    folder = make(kind, network)
    assert (kind == "fused") == bool(read_recorded(folder).fused)
    answer = again(folder)
    wrong = [figure for figure in answer.figures if not figure.is_same]
    assert wrong == []
    assert [weights for weights in answer.weights if not weights.is_same] == []
    assert answer.weights
    assert len(answer.figures) > 5


@pytest.mark.long
def test_a_fused_trial_was_fused_and_one_that_was_pruned_stops_where_it_did(make, again):
    pruner = "search.pruner={_target_:optuna.pruners.SuccessiveHalvingPruner,min_resource:1,reduction_factor:2}"
    trial = make("fused", "mlp", pruner, "optimizer.weight_decay=0,0.1")
    statuses = {}
    for folder in sorted(trial.parent.iterdir()):
        recorded = read_recorded(folder)
        statuses[recorded.result.status] = recorded
        assert recorded.fused
    for status in ("completed", "pruned"):
        assert again(statuses[status].run, status).is_same


@pytest.mark.long
def test_members_that_leave_a_program_leave_it_again(make, again):
    rates = "optimizer.lr=1e-4,1e-2,3e-1,1e-1,3e-2,2e-1"
    trial = make("fused", "mlp", rates, "callbacks.early_stopping.patience=1", "trainer.max_epochs=8")
    recorded = [read_recorded(folder) for folder in sorted(trial.parent.iterdir())]
    (longest,) = [each for each in recorded if len(each.fused) == max(len(other.fused) for other in recorded)][:1]
    assert len(longest.fused) > 1
    assert again(longest.run).is_same
    assert read_recorded(trial.parents[4] / "again").fused == longest.fused
