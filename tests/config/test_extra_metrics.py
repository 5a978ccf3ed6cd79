"""What is said of metrics below `metrics.extra` before anything is imported."""

import pytest

from lightune import compose
from lightune.config.extra_metrics import direction
from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems

F2 = "f2: {_target_: torchmetrics.FBetaScore, beta: 2}"


def refused(*overrides):
    return {problem.key: problem.message for problem in find_problems(compose(list(overrides)))}


@pytest.mark.parametrize(
    "node",
    [
        "{_target_: torchmetrics.classification.MulticlassFBetaScore, beta: 2}",
        "{_target_: torchmetrics.FBetaScore, beta: 2}",
        "{_target_: torchmetrics.classification.MulticlassCohenKappa}",
    ],
)
def test_a_metric_that_the_data_give_the_rest_to_can_be_followed(node):
    assert refused(f"metrics.extra={{f2: {node}}}", "monitor.metric=val/f2", "metrics.train=[f2]") == {}


@pytest.mark.parametrize(
    ("extra", "key", "said"),
    [
        ("f2: {_target_: torchmetrics.FBetaSore}", "f2._target_", "did you mean 'torchmetrics.FBetaScore'?"),
        (
            "b: {_target_: torchmetrics.text.BERTScore}",
            "b._target_",
            "is no metric of classes or values that ships",
        ),
        ("f: {_target_: os.system}", "f._target_", "is not trusted"),
        (
            "f2: {_target_: torchmetrics.classification.MulticlassFBetaScore}",
            "f2.beta",
            "is mandatory for MulticlassFBetaScore and has no value; set it",
        ),
        ("k: {_target_: torchmetrics.CohenKappa, weihgts: linear}", "k.weihgts", "did you mean 'weights'?"),
        ("f1: {_target_: torchmetrics.F1Score}", "f1", "is a metric of ClassificationMetrics already"),
        ("loss: {_target_: torchmetrics.F1Score}", "loss", "is a metric of ClassificationMetrics already"),
        ("a-b: {_target_: torchmetrics.F1Score}", "a-b", "must have a name of letters, digits and _"),
        ("f2: 3", "f2", "must be a mapping with _target_, got 3; remove it with ~metrics.extra.f2"),
        ("f2: {beta: 3}", "f2._target_", "is missing; name the class of the metric"),
        ("f: {_target_: torchmetrics.F1Score, _partial_: true}", "f._partial_", "cannot be set"),
    ],
)
def test_what_is_no_metric_is_refused(extra, key, said):
    assert said in refused(f"+metrics={{extra: {{{extra}}}}}")[f"metrics.extra.{key}"]


def test_names_measured_in_training_are_those_of_the_set_and_the_extra_ones():
    assert refused(f"metrics.extra={{{F2}}}", "metrics.train=[auroic]") == {
        "metrics.train.0": "must be one of accuracy, precision, recall, f1, auroc, f2, got auroic; "
        "did you mean 'auroc'?"
    }


@pytest.mark.parametrize(
    ("overrides", "key", "said"),
    [
        (["monitor.metric=val/f3"], "monitor.metric", "did you mean 'val/f2'?"),
        (["monitor.metric=train/f2"], "monitor.metric", "train/f2 is not measured"),
        (["monitor.metric=val/f2", "monitor.mode=min"], "monitor.mode", "must be max"),
        (["monitor.metric=val/ece"], "monitor.mode", "must be min: val/ece is better when it is lower, got max"),
        (["monitor.metric=val/spec"], "monitor.metric", "does not say whether higher is better"),
        (
            ["search.objectives=[{metric: val/ece, mode: max}, {metric: seconds, mode: min}]"],
            "search.objectives[0].mode",
            "must be min",
        ),
    ],
)
def test_what_is_followed_is_measured_and_has_a_direction(overrides, key, said):
    rest = "ece: {_target_: torchmetrics.CalibrationError}, spec: {_target_: torchmetrics.Specificity}"
    assert said in refused(f"metrics.extra={{{F2}, {rest}}}", *overrides)[key]


@pytest.mark.parametrize(
    ("target", "mode"),
    [
        ("torchmetrics.classification.MulticlassFBetaScore", "max"),
        ("torchmetrics.classification.BinaryCalibrationError", "min"),
        ("torchmetrics.FBetaScore", "max"),
        ("torchmetrics.CalibrationError", "min"),
        ("torchmetrics.MeanAbsolutePercentageError", "min"),
        ("torchmetrics.PearsonCorrCoef", None),
        ("torchmetrics.Specificity", None),
    ],
)
def test_the_class_says_which_is_better(target, mode):
    assert direction(describe(target)) == mode
