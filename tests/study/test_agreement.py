"""Trials of one study have one metric, one mode and one space, or the study is refused before its first trial."""

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from lightune.errors import ConfigError
from lightune.study.agreement import Jobs
from lightune.study.preflight import judged_definition
from lightune.study.prepare import prepare

EXPERIMENTS = {
    "small": "search: {space: {model.units: 'choice(8,16)'}}",
    "large": "search: {space: {model.layers: 'choice(3,4)'}}",
    "by_loss": "monitor: {metric: val/loss, mode: min}",
    "by_accuracy": "monitor: {metric: val/accuracy, mode: max}",
    "regression": "defaults: [override /data: diabetes]",
    "first": "search: {enqueue: [{seed: 1}]}",
    "two": "search: {objectives: [{metric: val/loss, mode: min}, {metric: val/f1, mode: max}]}",
    "elsewhere": "output_root: a",
    "short": "search: {n_trials: 2}",
    "pruned": "search: {pruner: {_target_: optuna.pruners.NopPruner}}",
}


@pytest.fixture
def refusal(cli, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    for name, text in EXPERIMENTS.items():
        (folder / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")

    def call(*words):
        answer = cli("--config-dir", "mine", "-m", *words)
        assert (answer.code, answer.out) == (2, "")
        assert not (tmp_path / "outputs").exists()
        head, *lines = answer.err.splitlines()
        assert head == "lightune: 1 problem, nothing was started"
        key, rule = lines[0].strip().split("  ", 1)
        return key, rule.strip()

    return call


@pytest.mark.parametrize(
    ("words", "key", "given"),
    [
        (
            ["data=wine,diabetes"],
            "monitor",
            "val/accuracy (max) with data=wine, val/rmse (min) with data=diabetes",
        ),
        (["data=wine,diabetes", "seed=0,1"], "monitor", "with data=wine, val/rmse (min) with data=diabetes"),
        (["experiment=digits_mlp,regression"], "monitor", "val/rmse (min) with experiment=regression"),
        (["experiment=by_loss,by_accuracy"], "monitor", "val/loss (min) with experiment=by_loss, val/acc"),
        (["experiment=by_accuracy,two"], "monitor", "val/loss (min) and val/f1 (max) with experiment=two"),
        (
            ["monitor={metric: val/loss, mode: min},{metric: val/accuracy, mode: max}"],
            "monitor",
            "val/loss (min) with monitor={metric:val/loss,mode:min}",
        ),
        (["monitor.metric=val/accuracy,val/f1"], "monitor", "val/f1 (max) with monitor.metric=val/f1"),
        (["++search.space={data: [wine,diabetes]}"], "monitor", "val/accuracy (max) with data="),
        (
            ["experiment=small,large"],
            "search.space",
            "model.units: choice(8,16) with experiment=small, model.layers",
        ),
        (["experiment=small,digits_mlp"], "search.space", "none with experiment=digits_mlp"),
        (["seed=0,1", "experiment=first,digits_mlp"], "search.enqueue", "with experiment=first"),
        (
            ["experiment=short,digits_mlp"],
            "search.n_trials",
            "2 with experiment=short, null with experiment=digits",
        ),
        (["search.n_trials=2,3"], "search.n_trials", "2 with search.n_trials=2"),
        (["output_root=a,b"], "output_root", "a with output_root=a, b with output_root=b"),
        (["experiment=pruned,digits_mlp"], "search.pruner", "null with experiment=digits_mlp"),
    ],
    ids=str,
)
def test_what_trials_have_differently_is_refused_with_what_brings_it(refusal, words, key, given):
    where, rule = refusal(*words)
    assert where == key
    assert rule.startswith("must be the same for all trials of a study, got ")
    assert given in rule
    assert "; make a study of each, or " in rule


@pytest.mark.parametrize("word", ["output_root=a,a", "experiment=elsewhere,elsewhere"])
def test_what_is_swept_cannot_set_the_folder_of_the_study(refusal, word):
    where, rule = refusal(word)
    assert where == "output_root"
    assert rule.startswith("is outputs for the study, whose trials lie in its folder, and a for them; set it on")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["data=wine,diabetes"], "val/accuracy (max) with data=wine, val/rmse (min) with data=diabetes"),
        (
            ["monitor.metric=val/loss,val/f1", "optimizer.lr=interval(0.1,1)"],
            "val/loss (max) with monitor.metric=val/",
        ),
        (["+hydra.sweeper.params={experiment: 'by_loss,by_accuracy'}"], "val/loss (min) with experiment=by_loss"),
    ],
)
def test_hydras_optuna_sweeper_compares_no_different_metrics(refusal, words, given):
    key, rule = refusal("hydra/sweeper=optuna", *words)
    assert key == "monitor"
    assert rule.startswith(f"must be the same for all trials of a study, got {given}")


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ([("val/f1", ["a=1", "b=2"]), ("val/f1", ["a=2", "b=2"])], ""),
        (
            [("val/f1", ["a=1", "b=2"]), ("val/loss", ["a=2", "b=2"])],
            "val/f1 (max) with a=1, val/loss (max) with a=2",
        ),
        ([("val/f1", ["a=1"]), (None, ["a=2"])], ""),
    ],
)
def test_jobs_of_another_sweeper_are_told_apart_by_what_they_follow(metrics, said):
    jobs = Jobs()
    for metric, lines in metrics:
        jobs.add(OmegaConf.create({"monitor": {"metric": metric, "mode": "max"}}), lines)
    assert jobs.metrics == said


@pytest.mark.filterwarnings("ignore")
def test_a_grid_of_hydras_own_says_that_its_jobs_follow_different_metrics(cli):
    words = ["hydra/sweeper=basic", "hydra/launcher=basic", "trainer=smoke", "metrics.bootstrap=0"]
    answer = cli("-m", *words, "data=wine,diabetes")
    assert answer.code == 0
    assert "jobs of this multirun follow different metrics, which cannot be compared: val/acc" in answer.out
    assert "different metrics" not in cli("-m", *words, "data=wine").out


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ({"split_seed": None, "resplit": False}, "seed 0 with seed=0, seed 1 with seed=1"),
        ({"split_seed": 3, "resplit": False}, ""),
        ({"split_seed": None, "resplit": True}, ""),
    ],
)
def test_jobs_of_another_sweeper_are_told_apart_by_how_they_divide(validation, said):
    jobs = Jobs()
    for seed in (0, 1):
        jobs.add(OmegaConf.create({"seed": seed, "validation": validation}), ["a=1", f"seed={seed}"])
    assert jobs.divisions == said


def test_of_many_divisions_some_are_shown():
    jobs = Jobs()
    for seed in range(9):
        jobs.add(OmegaConf.create({"seed": seed, "validation": {"split_seed": None}}), [f"seed={seed}"])
    assert jobs.divisions.endswith("seed 5 with seed=5, …")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sweeper", ["basic", "optuna"])
def test_a_multirun_by_another_sweeper_says_that_its_jobs_divide_the_data_differently(cli, sweeper):
    words = [f"hydra/sweeper={sweeper}", "hydra/launcher=basic", "trainer=smoke", "metrics.bootstrap=0"]
    words += ["hydra.sweeper.n_trials=2"] if sweeper == "optuna" else []
    answer = cli("-m", *words, "seed=0,1")
    assert answer.code == 0
    assert (
        "divide the data differently, by seed 0 with seed=0, seed 1 with seed=1; validation.split_" in answer.out
    )
    assert "differently" not in cli("-m", *words, "seed=0,1", "validation.split_seed=0").out


@pytest.fixture
def remarks(train_multirun):
    def call(*words):
        definition, problems = judged_definition(train_multirun(*words))
        assert problems == []
        return [line for line in definition.space.remarks if "different samples" in line]

    return call


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["data=wine,breast_cancer"], "easier: data=wine, data=breast_cancer; a study of each"),
        (["validation.val_fraction=0.1,0.2", "model.units=4,8"], "easier: validation.val_fraction=0.1, valid"),
        (["validation=holdout,kfold"], "easier: validation=holdout, validation=kfold;"),
        (["validation={val_fraction: 0.1},{val_fraction: 0.2}"], "validation={val_fraction:0.1}, "),
        (["experiment=digits_mlp,kfold_mlp"], "easier: experiment=digits_mlp, experiment=kfold_mlp;"),
        (["++search.space={data: [wine, digits]}"], "easier: data="),
        (["validation.split_seed=1,2"], "validation.split_seed=1, validation.split_seed=2;"),
    ],
    ids=str,
)
def test_it_is_said_that_trials_are_judged_on_different_samples(remarks, words, named):
    (line,) = remarks(*words)
    assert line.startswith("trials are judged on different samples")
    assert named in line


@pytest.mark.parametrize(
    "words",
    [
        ["model=mlp,cnn", "optimizer.lr=0.1,0.2"],
        ["seed=1,2"],
        ["seed=1,2", "validation.resplit=true"],
        ["data.batch_size=8,16", "data.scaling=none,standard"],
        ["validation.fused=auto,never"],
    ],
    ids=str,
)
def test_nothing_is_said_of_trials_that_are_judged_on_the_same_samples(remarks, words):
    assert remarks(*words) == []


BY_LOSS = ["monitor.metric=val/loss", "monitor.mode=min"]
F2 = "metrics.extra={f2: {_target_: torchmetrics.FBetaScore, beta: 2}}"


@pytest.fixture
def measures(train_multirun):
    def call(*words):
        definition, problems = judged_definition(train_multirun(*words))
        assert problems == []
        return [line for line in definition.space.remarks if "measure" in line]

    return call


@pytest.mark.parametrize(
    ("words", "metric", "named"),
    [
        (["loss=cross_entropy,focal", *BY_LOSS], "val/loss", "loss=cross_entropy, loss=focal"),
        (["loss=focal", "loss.gamma=0.5,4", *BY_LOSS], "val/loss", "loss.gamma=0.5, loss.gamma=4"),
        (
            ["loss.class_weights=none,balanced", "monitor.metric=train/loss", "monitor.mode=min"],
            "train/loss",
            "loss.class_weights=none, loss.class_weights=balanced",
        ),
        (["data=diabetes", "loss=mse,mae", *BY_LOSS], "val/loss", "loss=mse, loss=mae"),
        (
            ["data=diabetes", "data.target_scaling=none,standard", *BY_LOSS],
            "val/loss",
            "data.target_scaling=none,",
        ),
        (["metrics.average=macro,weighted", "monitor.metric=val/f1"], "val/f1", "metrics.average=macro,"),
        ([F2, "metrics.extra.f2.beta=0.5,4", "monitor.metric=val/f2"], "val/f2", "metrics.extra.f2.beta=0.5,"),
    ],
    ids=str,
)
def test_it_is_said_that_a_metric_means_something_else_in_other_trials(measures, words, metric, named):
    (line,) = measures(*words)
    assert line.startswith(f"{metric} is not the same measure in all trials, whose figures cannot be compared: ")
    assert named in line


@pytest.mark.parametrize(
    "words",
    [
        ["loss=cross_entropy,focal"],
        ["loss.class_weights=none,balanced", *BY_LOSS],
        ["data=diabetes", "loss=mse,mae"],
        ["metrics.average=macro,weighted"],
        ["metrics.bootstrap=0,10", "monitor.metric=val/f1"],
        ["loss.label_smoothing=0,0.1", *BY_LOSS],
        [
            "search.objectives=[{metric: val/accuracy, mode: max}, {metric: seconds, mode: min}]",
            "metrics.average=macro,weighted",
        ],
        ["regularization.l2=0,0.1", "optimizer.lr=0.1,0.2", *BY_LOSS],
    ],
    ids=str,
)
def test_nothing_is_said_of_a_metric_that_means_the_same(measures, words):
    assert measures(*words) == []


OF_OTHERS = {
    "accuracy": "metric: accuracy",
    "loss": "metric: loss",
    "narrow": "space: {y: 'choice(1,2)'}",
    "wide": "space: {y: 'choice(1,2,3)'}",
    "nowhere": "mode: sideways",
    "short": "hydra: {sweeper: {n_trials: 2}}",
    "other": "defaults: [override /hydra/launcher: local]",
    "plain": "y: 2",
}


@pytest.fixture
def prepared(multirun, tmp_path):
    """Prepare a study of somebody else's application, without a preflight, whose settings refer to keys."""
    folder = tmp_path / "conf" / "kind"
    folder.mkdir()
    for name, text in OF_OTHERS.items():
        (folder / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    with (tmp_path / "conf" / "config.yaml").open("a") as file:
        file.write("  sweeper: {metric: '${metric}', mode: '${mode}', space: '${space}'}\n")
        file.write("y: 1\nmetric: null\nmode: min\nspace: null\n")

    def call(*arguments):
        GlobalHydra.instance().clear()
        with multirun(*arguments) as (config, context, own):
            study = prepare(config, context, own, print)
        study.lease.end()
        return study

    return call


@pytest.mark.parametrize(
    ("words", "key", "rule"),
    [
        (
            ["+kind=accuracy,loss"],
            "hydra.sweeper.metric",
            "got accuracy (min) with +kind=accuracy, loss (min) with",
        ),
        (["metric=a,b", "x=1,2"], "hydra.sweeper.metric", "got a (min) with metric=a, b (min) with metric=b"),
        (
            ["+kind=narrow,wide"],
            "hydra.sweeper.space",
            "got y: choice(1,2) with +kind=narrow, y: choice(1,2,3) with +kind=wide",
        ),
        (["y=1,2", "hydra.sweeper.n_jobs=${y}"], "hydra.sweeper.n_jobs", "got 1 with y=1, 2 with y=2"),
        (
            ["+kind=plain,nowhere"],
            "hydra.sweeper.objectives[0]",
            "must have a metric and a mode of min or max, got",
        ),
        (["+kind=plain,short"], "hydra.sweeper", "is one for all jobs, and what is swept sets it otherwise"),
        (["+kind=plain,other"], "hydra/launcher", "is one for all jobs, and what is swept sets it otherwise"),
    ],
    ids=str,
)
def test_trials_of_somebody_elses_application_have_the_same_settings_too(prepared, tmp_path, words, key, rule):
    with pytest.raises(ConfigError) as refusal:
        prepared(*words)
    (problem,) = refusal.value.problems
    assert problem.key == key
    assert problem.message.removeprefix("must be the same for all trials of a study, ").startswith(rule)
    assert not (tmp_path / "study").exists()


def test_what_cannot_be_composed_is_left_to_its_trial_in_somebody_elses_application(prepared):
    assert not prepared("+kind=plain,missing,accuracy", "metric=accuracy").resumed


def test_a_study_of_somebody_elses_application_goes_on_as_it_began(prepared, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("lightune.study.prepare.require_agreement", lambda *_: None)
        prepared("+kind=accuracy,loss")
    assert prepared("+kind=accuracy,loss").resumed


def test_a_launcher_that_a_swept_option_brings_is_refused_by_its_key(refusal, tmp_path):
    for name, launcher in (("one", "local"), ("other", "basic")):
        lines = f"# @package _global_\ndefaults: [override /hydra/launcher: {launcher}]\n"
        (tmp_path / "mine" / "experiment" / f"{name}.yaml").write_text(lines)
    for words in (["experiment=one,other"], ["experiment=one,other", "hydra/sweeper=basic"]):
        key, rule = refusal(*words)
        assert (key, rule.partition(";")[0]) == (
            "hydra/launcher",
            "is one for all jobs, and what is swept sets it otherwise",
        )
