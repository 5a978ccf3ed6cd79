"""Runs of several fits: their figures are those of scikit-learn and SciPy on the same splits."""

import json
import statistics
from importlib import resources

import jsonschema
import numpy as np
import pytest
import torch
from curves import curves as read_curves
from pytorch_lightning import Callback
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score

from lightune import compose, evaluate, train
from lightune.checkpoints import read_checkpoint
from lightune.config.build import build_fit
from lightune.data import Wine
from lightune.errors import ConfigError
from lightune.reporting.predictions import read_predictions
from lightune.reporting.result import read_result
from lightune.run import prepare

SCHEMA = json.loads(resources.files("lightune.reporting").joinpath("result.schema.json").read_text())
SHORT = (
    "trainer=cpu",
    "data=wine",
    "trainer.max_epochs=6",
    "model.units=16",
    "metrics.bootstrap=200",
    "optimizer.lr=0.01",
)
WAYS = {
    "kfold": ("validation=kfold", "validation.k=3"),
    "kfold, anew": ("validation=kfold", "validation.k=2", "validation.n_repeats=2"),
    "bootstrap": ("validation=bootstrap", "validation.n=3"),
    "repeats": ("repeats=3",),
    "kfold, repeats": ("validation=kfold", "validation.k=2", "repeats=2"),
    "bootstrap, repeats": ("validation=bootstrap", "validation.n=2", "repeats=2"),
    "regression": ("data=diabetes", "optimizer.lr=0.01", "validation=kfold", "validation.k=2"),
}
FITS = {"kfold": 3, "kfold, anew": 4, "bootstrap": 3, "repeats": 3}


class Order(Callback):
    """Notes which stage each batch belongs to."""

    def __init__(self):
        super().__init__()
        self.stages = []

    def _note(self, stage):
        if self.stages[-1:] != [stage]:
            self.stages.append(stage)

    def on_train_batch_start(self, *arguments):
        self._note("train")

    def on_test_batch_start(self, *arguments):
        self._note("test")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Train each way once; return its configuration, its result, and the order of training and testing."""
    done = {}

    def run(way):
        if way not in done:
            cfg = compose([*SHORT, *WAYS[way], f"output_root={tmp_path_factory.mktemp('judged')}"])
            order = Order()
            done[way] = (cfg, train(cfg, watchers=[order]), order.stages)
        return done[way]

    return run


@pytest.fixture(params=list(WAYS))
def way(request, judged):
    return judged(request.param)


def fits_of(result):
    return result.folds or result.repeats


def test_the_result_follows_its_schema_and_reads_back(way):
    _, result, _ = way
    jsonschema.validate(json.loads((result.run_dir / "result.json").read_text()), SCHEMA)
    assert read_result(result.run_dir) == result


def test_the_objective_is_the_mean_of_the_fits_with_their_deviation(way):
    _, result, _ = way
    values = [fit.objective.value for fit in fits_of(result)]
    assert len(values) in (2, 3, 4)
    assert result.objective.value == pytest.approx(np.mean(values))
    assert result.objective.std == pytest.approx(np.std(values, ddof=1))
    assert result.objective.epoch is None
    assert result.epochs == 6 * len(values)
    for name in fits_of(result)[0].metrics:
        assert result.metrics[name] == pytest.approx(np.mean([fit.metrics[name] for fit in fits_of(result)]))


def test_each_fit_has_its_own_weights_that_are_there(way):
    _, result, _ = way
    states = [
        read_checkpoint(result.run_dir / fit.checkpoint)["state_dict"] for fit in fits_of(result) if fit.checkpoint
    ]
    firsts = {tuple(state["model.layers.0.weight"].flatten()[:3].tolist()) if "model.layers.0.weight" in state
              else tuple(next(iter(state.values())).flatten()[:3].tolist()) for state in states}  # fmt: skip
    assert len(firsts) == len(states)


def test_the_test_part_is_not_touched_before_the_last_fit_is_over(way):
    _, _, stages = way
    assert stages == ["train", "test"]


def test_evaluate_gives_the_test_metrics_again_exactly(way):
    _, result, _ = way
    assert evaluate(result.run_dir) == {name: v for name, v in result.metrics.items() if name.startswith("test/")}


def test_the_figure_of_each_fit_is_that_of_its_best_weights_on_its_own_validation_rows(way):
    """Predict by hand, scale by hand, and let scikit-learn and NumPy judge."""
    cfg, result, _ = way
    parts = prepare(cfg)
    metric = result.objective.metric
    for plan in parts.plans:
        file = result.run_dir / "fits" / str(plan.index) / "checkpoints" / "best.ckpt"
        task = build_fit(cfg, parts.data, plan)
        task.load_state_dict(read_checkpoint(file)["state_dict"])
        samples = parts.data.samples
        learnt, asked = samples.inputs[plan.split.train].double(), samples.inputs[plan.split.val].double()
        scaled = (asked - learnt.mean(dim=0)) / learnt.std(dim=0, correction=0)
        task.eval()
        with torch.no_grad():
            predicted = task.predictions(task(scaled.float()))
        truth = samples.targets[plan.split.val]
        if metric == "val/accuracy":
            figure = accuracy_score(truth, predicted.argmax(dim=1))
        else:
            figure = float(((truth - predicted) ** 2).mean().sqrt())
        kept = json.loads((file.parents[1] / "fit.json").read_text())
        assert metric in ("val/accuracy", "val/rmse")
        assert kept["objective"]["value"] == pytest.approx(figure, rel=1e-4)


def test_the_confidence_interval_is_that_of_scipy_on_the_saved_predictions(way):
    cfg, result, _ = way
    fits = read_predictions(result.run_dir)
    count = len(fits[0].rows)
    parts = prepare(cfg)
    for plan, fit in zip(parts.plans, fits, strict=True):
        assert fit.rows.tolist() == plan.split.test.tolist()
        assert torch.equal(fit.targets, parts.data.samples.targets[fit.rows])
    (name, interval), = result.intervals.items()  # fmt: skip
    errors = np.stack([_errors(name, fit) for fit in fits])

    def figure(rows):
        means = errors[:, rows].mean(axis=1)
        return (np.sqrt(means) if name == "test/rmse" else means).mean()

    found = bootstrap(
        (np.arange(count),), figure, n_resamples=200, confidence_level=0.95, method="percentile", vectorized=False,
        rng=np.random.default_rng(cfg.seed),
    ).confidence_interval  # fmt: skip
    assert (interval.low, interval.high) == pytest.approx((found.low, found.high), rel=1e-4)
    assert (interval.level, interval.resamples) == (0.95, 200)
    assert figure(np.arange(count)) == pytest.approx(result.metrics[name], rel=1e-4)


def _errors(name, fit):
    """Return what the figure is the mean of: hits, or squared errors."""
    if name == "test/accuracy":
        return (fit.predicted.argmax(dim=1) == fit.targets).double().numpy()
    assert name == "test/rmse"
    return ((fit.predicted - fit.targets) ** 2).double().numpy()[:, 0]


def test_tensorboard_shows_the_fits_side_by_side_and_their_mean(way):
    _, result, _ = way
    folders = sorted(path for path in (result.run_dir / "fits").iterdir())
    curves = [read_curves(folder) for folder in folders]
    mean = read_curves(result.run_dir)
    metric = result.objective.metric
    *values, last = mean[metric]
    each = [curve[metric][: len(values)] for curve in curves]  # whose last points are their best epochs'
    assert [value for _, value in values] == pytest.approx(
        np.mean([[value for _, value in curve] for curve in each], axis=0), rel=1e-5
    )
    assert [step for step, _ in values] == [step for step, _ in each[0]]
    assert last[1] == pytest.approx(result.metrics[metric], rel=1e-5)
    assert [value for _, value in mean["objective"]] == pytest.approx([result.objective.value])
    tested = {name: value for name, value in result.metrics.items() if name.startswith("test/")}
    assert {name: mean[name][0][1] for name in tested} == pytest.approx(tested, rel=1e-5)


@pytest.mark.parametrize("name", ["kfold, repeats", "bootstrap, repeats"])
def test_a_repeat_is_the_run_of_its_own_seed(judged, name):
    _, result, _ = judged(name)
    assert [entry.seed for entry in result.repeats] == [0, 1]
    assert [(fold.index, fold.seed) for fold in result.folds] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    for entry, folds in zip(result.repeats, (result.folds[:2], result.folds[2:]), strict=True):
        values = [fold.objective.value for fold in folds]
        assert entry.objective.value == pytest.approx(statistics.fmean(values))
        assert entry.objective.std == pytest.approx(statistics.stdev(values))
        assert entry.epochs == 12
        assert entry.checkpoint is None


def test_repeats_of_one_seed_are_that_run(judged, tmp_path):
    cfg, result, _ = judged("repeats")
    alone = train(compose([*SHORT, f"output_root={tmp_path}"]))
    assert result.repeats[0].metrics == {n: v for n, v in alone.metrics.items() if not n.startswith("test/")}
    assert result.folds == []
    tests = {tuple(plan.split.test) for plan in prepare(cfg).plans}
    assert len(tests) == 1
    assert len({tuple(plan.split.val) for plan in prepare(cfg).plans}) == 3


@pytest.mark.parametrize("name", ["bootstrap", "bootstrap, repeats"])
def test_the_632_estimate_weighs_what_was_learnt_from_and_what_was_left_out(judged, name):
    cfg, result, _ = judged(name)
    parts = prepare(cfg)
    for fold, plan in zip(result.folds, parts.plans, strict=True):
        task = build_fit(cfg, parts.data, plan)
        task.load_state_dict(read_checkpoint(result.run_dir / fold.checkpoint)["state_dict"])
        figures = []
        for part in ("train", "val"):
            inputs, targets = (
                torch.cat(each) for each in zip(*parts.data.evaluation_dataloader(part), strict=True)
            )
            with torch.no_grad():
                figures.append(accuracy_score(targets, task.eval()(inputs).argmax(dim=1)))
        assert len(plan.split.train) == len(set(plan.split.train) | set(plan.split.val))
        expected = 0.368 * figures[0] + 0.632 * figures[1]
        assert fold.metrics["val/accuracy_632"] == pytest.approx(expected)
        assert fold.metrics["val/accuracy"] == pytest.approx(figures[1])


def test_only_a_bootstrap_has_a_632_estimate(judged):
    assert not [name for name in judged("kfold")[1].metrics if name.endswith("_632")]


@pytest.mark.parametrize("validation", ["kfold", "bootstrap"])
def test_what_a_fold_learns_of_its_scale_it_learns_from_its_training_rows_alone(validation, monkeypatch):
    """Make the rows that judge, and the test rows, wild: what is learnt from does not move, to the bit."""
    overrides = ["trainer=cpu", "data=wine", f"validation={validation}"]
    plain = prepare(compose(overrides))
    for plan in plain.plans[:3]:
        build_fit(compose(overrides), plain.data, plan)
        tame = [inputs.clone() for inputs, _ in plain.data.evaluation_dataloader("train")]
        judging = [inputs.clone() for inputs, _ in plain.data.evaluation_dataloader("val")]
        original = plain.data.samples.inputs.clone()
        for rows in (plan.split.val, plan.split.test):
            plain.data.samples.inputs[rows] = plain.data.samples.inputs[rows] * 1e6 - 1e9
        build_fit(compose(overrides), plain.data, plan)
        wild = [inputs for inputs, _ in plain.data.evaluation_dataloader("train")]
        assert all(torch.equal(one, other) for one, other in zip(tame, wild, strict=True))
        assert not torch.equal(judging[0], next(iter(plain.data.evaluation_dataloader("val")))[0])
        plain.data.samples.inputs.copy_(original)


@pytest.mark.parametrize("way", ["kfold", "bootstrap"])
def test_shuffled_labels_give_chance_level(way, monkeypatch, tmp_path):
    """Whatever leaked from the rows that judge to those learnt from would show as skill.

    The epoch is chosen by the training loss: one that was chosen by the rows that judge is a lucky one.
    """
    load = Wine.load

    def shuffled(data):
        samples = load(data)
        order = torch.randperm(len(samples.targets), generator=torch.Generator().manual_seed(0))
        samples.targets.copy_(samples.targets[order])
        return samples

    monkeypatch.setattr(Wine, "load", shuffled)
    learn = ["optimizer.lr=0.03", "trainer.max_epochs=15", "~callbacks.early_stopping", "logger=none"]
    watch = ["monitor.metric=train/loss", "monitor.mode=min"]
    result = train(compose([*SHORT, *WAYS[way], *learn, *watch, f"output_root={tmp_path}"]))
    assert result.metrics["train/accuracy"] > 0.6
    assert result.metrics["val/accuracy"] == pytest.approx(0.36, abs=0.12)  # the commonest class has 40 %


def test_no_interval_is_computed_where_none_is_asked_for(tmp_path):
    result = train(compose([*SHORT, "metrics.bootstrap=0", "trainer.max_epochs=1", f"output_root={tmp_path}"]))
    assert result.intervals == {}
    assert (result.run_dir / "predictions.csv").exists()


def test_more_folds_than_samples_of_a_class_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(
        ConfigError, match=r"k must be at most the number of samples of the rarest class \(\d+\), got 99"
    ):
        train(compose([*SHORT, "validation=kfold", "validation.k=99", f"output_root={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []
