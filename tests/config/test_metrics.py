"""Metrics below `metrics.extra` as they are made for the data, and tried before anything is written."""

import pytest

from lightune import compose, evaluate, resume, train
from lightune.config.build import build
from lightune.errors import ConfigError

F2 = "metrics.extra={f2: {_target_: torchmetrics.FBetaScore, beta: 2}}"
FOLLOWED = (F2, "monitor.metric=val/f2")
SMALL = ("trainer=cpu", "trainer.max_epochs=2", "model.units=8", "data=wine", "logger=none")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def built(*overrides):
    parts = build(compose([*SMALL, *overrides]))
    metrics = parts.task.metrics
    return {name: metrics.collection("val")[name] for name in metrics.extra.names}


@pytest.mark.parametrize(
    ("data", "kind"), [("wine", "MulticlassFBetaScore"), ("breast_cancer", "BinaryFBetaScore")]
)
def test_the_data_say_which_task_a_metric_has(data, kind):
    metric = built(f"data={data}", F2)["f2"]
    assert (type(metric).__name__, metric.beta) == (kind, 2.0)


def test_classes_are_averaged_as_the_set_averages_them_unless_the_metric_says_otherwise():
    many = "{_target_: torchmetrics.classification.MulticlassRecall}"
    own = "{_target_: torchmetrics.classification.MulticlassRecall, average: micro}"
    made = built(f"metrics.extra={{many: {many}, own: {own}}}", "metrics.average=weighted")
    assert {name: (metric.num_classes, metric.average) for name, metric in made.items()} == {
        "many": (3, "weighted"),
        "own": (3, "micro"),
    }


def test_values_of_regression_have_as_many_outputs_as_targets():
    pearson = "{_target_: torchmetrics.PearsonCorrCoef}"
    assert built("data=diabetes", f"metrics.extra={{r: {pearson}}}")["r"].num_outputs == 1


def test_a_name_that_a_collection_uses_itself_is_refused():
    with pytest.raises(ConfigError, match=r"metrics\.extra\.half  cannot be the name of a metric"):
        built("metrics.extra={half: {_target_: torchmetrics.F1Score}}")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["metrics.extra={f2: {_target_: torchmetrics.classification.BinaryFBetaScore, beta: 2}}"],
            "BinaryFBetaScore is for two classes, and the data have 3; choose MulticlassFBetaScore",
        ),
        (
            ["metrics.extra={f2: {_target_: torchmetrics.classification.MulticlassConfusionMatrix}}"],
            r"must measure one number, and MulticlassConfusionMatrix gives a tensor of shape \(3, 3\)",
        ),
        (["metrics.extra={f2: {_target_: torchmetrics.MeanSquaredError}}"], "same shape"),
        (["metrics.extra={f2: {_target_: torchmetrics.FBetaScore, beta: -2}}"], "larger than 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(overrides, said, tmp_path):
    with pytest.raises(ConfigError, match=said) as refusal:
        train(compose([*SMALL, *overrides]))
    assert [problem.key for problem in refusal.value.problems] == ["metrics.extra.f2"]
    assert not list(tmp_path.iterdir())


def test_a_run_is_judged_by_it_tested_resumed_and_evaluated():
    result = train(compose([*SMALL, *FOLLOWED, "metrics.train=[f2]"]))
    assert result.objective.metric == "val/f2"
    assert {"train/f2", "val/f2", "test/f2"} <= result.metrics.keys()
    assert result.intervals["test/f2"].low <= result.metrics["test/f2"] <= result.intervals["test/f2"].high
    assert evaluate(result.run_dir)["test/f2"] == result.metrics["test/f2"]
    longer = resume(result.run_dir, ["trainer.max_epochs=4"])
    whole = train(compose([*SMALL, *FOLLOWED, "metrics.train=[f2]", "trainer.max_epochs=4"]))
    assert longer.metrics == whole.metrics


def test_folds_trained_as_one_program_measure_it_as_those_trained_alone():
    folds = (*SMALL, *FOLLOWED, "validation=kfold", "validation.k=3", "trainer.precision=64-true")
    together, alone = (train(compose([*folds, f"validation.fused={fused}"])) for fused in ("auto", "never"))
    assert [fold.metrics["val/f2"] for fold in together.folds] == pytest.approx(
        [fold.metrics["val/f2"] for fold in alone.folds]
    )
