"""The parts of a configuration judged by each other, from what `describe` reads of their targets."""

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.config.consistency import advice_on, find_problems
from lightune.config.static.signatures import describe

PARTS = ("task", "data", "augmentation", "model", "loss", "metrics", "scheduler")


def judged(cfg, parts=PARTS):
    """Return key → message of what does not fit together."""
    tree = OmegaConf.to_container(cfg, resolve=True)
    targets = {part: describe(tree[part]["_target_"]) for part in parts}
    problems = list(find_problems(tree, targets))
    assert len({problem.key for problem in problems}) == len(problems)
    return {problem.key: problem.message for problem in problems}


def refused(*overrides):
    return judged(compose(overrides))


def test_the_parts_of_the_default_fit_together():
    assert refused() == {}


def test_refuses_to_vary_what_cannot_be_varied_so_and_says_why():
    assert refused("data=csv", "augmentation=standard") == {
        "augmentation": "flip, crop are for images, but CSV is a table, which nothing varies: "
        "no change of a cell is known to keep its row's target; choose augmentation=none"
    }
    assert refused("data=text_csv", "augmentation.time_mask=0.1")["augmentation"] == (
        "time_mask is for sounds, but TextCSV is a text, which nothing varies: "
        "no change of a token is known to keep its text's target; choose augmentation=none"
    )
    assert refused("data=image_folder", "augmentation=audio")["augmentation"] == (
        "time_shift, time_mask, frequency_mask are for sounds, but ImageFolder is an image; "
        "choose augmentation=none or standard"
    )
    assert refused("data=audio_folder", "augmentation=flip")["augmentation"] == (
        "flip is for images, but AudioFolder is a sound; choose augmentation=none or audio"
    )
    assert refused("data=audio_folder", "augmentation=audio") == {}
    assert refused("data=csv", "augmentation=standard", "augmentation.flip=0", "augmentation.crop=0") == {}
    assert refused("data=digits", "augmentation=flip") == {}


def test_refuses_a_scaling_of_weights_without_weights_and_says_whose_network_has_some():
    assert refused("data.scaling=weights")["data.scaling"] == (
        "weights is for networks with weights that others have trained, which MLP has not; "
        "choose model=torchvision, vgg16 or timm, or data.scaling=standard"
    )
    assert refused("data.scaling=weights", "model=torchvision") == {}


def test_refuses_growth_that_cannot_take_place_and_says_what_can():
    assert refused("schedule=both", "data.batch_size=full")["schedule.batch_growth"] == (
        "changes the size of batches, and data.batch_size=full is one batch of all samples; "
        "choose a number, or schedule.batch_growth=1"
    )
    assert refused("schedule=both", "schedule.max_batch_size=63")["schedule.max_batch_size"] == (
        "must be at least data.batch_size=64, with which it begins, got 63"
    )
    assert refused("schedule=both", "schedule.max_batch_size=64") == {}
    follow = ["schedule=batch_growth", "schedule.follow=lr"]
    assert refused(*follow)["schedule.follow"].startswith("follows the learning rate, which scheduler=constant")
    assert refused(*follow, "scheduler=one_cycle")["schedule.follow"].startswith("cannot follow one_cycle, which")
    assert "are epochs" in refused(*follow, "scheduler=step", "schedule.milestones=[3]")["schedule.milestones"]
    assert refused("schedule=regularization_growth", "schedule.follow=lr", "scheduler=one_cycle") == {}
    assert refused(*follow, "scheduler=plateau") == {}
    assert refused("schedule.follow=lr", "schedule.milestones=[3]") == {}


def test_refuses_what_does_not_fit_the_data_and_says_what_does():
    assert refused("model=cnn", "data=wine") == {
        "model": "CNN takes images, but Wine is a table; choose model=ft_transformer, mlp, tabular_resnet"
    }
    assert refused("data=audio_folder", "model=cnn") == {
        "model": "CNN takes images, but AudioFolder is a sound; choose model=audio_cnn"
    }
    assert refused("data=text_csv", "model=mlp") == {
        "model": "MLP takes images or tables, but TextCSV is a text; "
        "choose model=huggingface, text_lstm, text_mean, text_transformer"
    }
    assert refused("model=audio_cnn")["model"].startswith("AudioCNN takes sounds, but Digits is an image; ")
    assert refused("loss=mse") == {
        "loss": "MSE is for regression, but Digits is classification; choose loss=bce, cross_entropy, focal"
    }
    (message,) = refused("metrics=regression", "monitor.metric=val/loss", "monitor.mode=min").values()
    assert message.startswith("RegressionMetrics is for regression, but Digits is classification; ")
    assert message.endswith("choose metrics=classification")
    assert refused("data=diabetes", "loss=cross_entropy")["loss"].endswith("choose loss=huber, mae, mse")


def test_paths_that_are_not_there_are_refused(tmp_path):
    named = dict.fromkeys(("data.path", "data.labels"), f"there is no file or folder {tmp_path}/no")
    assert refused("data=image_folder", *(f"{key}={tmp_path}/no" for key in named)) == named


def test_a_file_of_weights_that_is_not_there_is_refused_and_a_name_is_none(tmp_path):
    words = ["data=image_folder", "model=torchvision"]
    message = refused(*words, f"model.weights={tmp_path}/no.pt")["model.weights"]
    assert message.startswith(f"there is no file {tmp_path}/no.pt; ")
    assert refused(*words, "model.weights=DEFAULT") == refused(*words) == {}


@pytest.mark.parametrize(
    ("overrides", "model"),
    [
        (["data=image_folder"], "CNN"),
        (["data=audio_folder"], "AudioCNN"),
        (["data=text_csv"], "TextMean"),
        (["data=digits"], "MLP"),
        (["model=mlp", "data=image_folder"], "MLP"),
    ],
)
def test_data_choose_a_model_that_fits_unless_one_is_named(overrides, model):
    assert compose(overrides).model._target_ == f"lightune.models.{model}"


def test_a_task_of_ones_own_is_compared_with_nothing_that_it_does_not_take(own):
    name = own("class Whole:\n    def __init__(self): ...\nclass Partial:\n    def __init__(self, model): ...\n")
    wrong = ("model=cnn", "data=wine", "loss=mse", "monitor.metric=val/anything")
    assert refused(*wrong, f"task._target_={name}.Whole") == {}
    assert list(refused(*wrong, f"task._target_={name}.Partial")) == ["model"]
    assert list(refused(*wrong)) == ["model", "loss", "monitor.metric"]


def test_targets_that_could_not_be_read_are_compared_with_nothing():
    cfg = compose(["model=cnn", "data=wine", "loss=mse"])
    assert judged(cfg, parts=()) == {}
    assert judged(cfg, parts=("task", "model", "loss", "metrics")) == {}
    assert list(judged(cfg, parts=("data", "model"))) == ["model"]


def test_a_table_that_is_not_there_is_refused_and_an_address_for_data_of_ones_own_is_none(own):
    assert list(refused("data=csv", "data.path=nowhere.csv", "data.target=y")) == ["data.path"]
    name = own("class Remote:\n    def __init__(self, path): ...\n")
    cfg = compose(["data=wine"])
    cfg.data = {"_target_": f"{name}.Remote", "path": "s3://bucket/table"}
    assert judged(cfg) == {}


def test_refuses_a_monitor_that_nothing_measures_and_lists_what_is():
    assert refused("monitor.metric=val/acuracy") == {
        "monitor.metric": "val/acuracy is not measured; did you mean 'val/accuracy'? choose from val/loss, "
        "val/accuracy, val/precision, val/recall, val/f1, val/auroc, train/loss, train/accuracy"
    }
    assert "monitor.metric" in refused("monitor.metric=test/accuracy")


def test_a_metric_of_the_training_is_followed_where_it_is_measured():
    metric = "monitor.metric=train/f1"
    assert refused(metric)["monitor.metric"].startswith("train/f1 is not measured")
    assert refused(metric, "metrics.train=[accuracy,f1]") == {}


def test_refuses_to_search_in_the_wrong_direction():
    assert refused("monitor.metric=val/loss")["monitor.mode"].startswith("must be min: val/loss is better")
    assert refused("monitor.metric=val/loss", "monitor.mode=min") == {}


@pytest.mark.parametrize(
    ("objectives", "key"),
    [
        ("[{metric: val/acuracy, mode: max}]", "search.objectives[0].metric"),
        ("[{metric: val/accuracy, mode: max}, {metric: val/loss, mode: max}]", "search.objectives[1].mode"),
        ("[{metric: parameters, mode: min}, {metric: seconds, mode: min}]", None),  # counted, not measured
    ],
)
def test_the_objectives_of_a_study_are_metrics_that_are_measured(objectives, key):
    assert list(refused(f"++search.objectives={objectives}")) == ([] if key is None else [key])


@pytest.mark.parametrize("callback", ["checkpoint", "early_stopping"])
def test_refuses_a_callback_that_follows_what_is_not_measured(callback):
    problems = refused(f"callbacks.{callback}.monitor=val/acuracy")
    assert list(problems) == [f"callbacks.{callback}.monitor"]
    assert "'val/accuracy'" in problems[f"callbacks.{callback}.monitor"]


def test_a_callback_of_ones_own_may_follow_anything():
    assert refused("+callbacks.mine={_target_: my.Callback, monitor: anything, mode: max}") == {}


def test_says_once_what_every_follower_of_the_monitor_gets_wrong():
    assert list(refused("monitor.metric=val/acuracy")) == ["monitor.metric"]
    assert list(refused("monitor.mode=min")) == ["monitor.mode"]
    assert list(refused("callbacks.early_stopping.mode=min")) == ["callbacks.early_stopping.mode"]


@pytest.mark.parametrize("limit", ["0.0", "0"])
def test_refuses_to_follow_a_validation_that_does_not_take_place(limit):
    assert refused(f"+trainer.limit_val_batches={limit}") == {
        "trainer.limit_val_batches": f"must be > 0: monitor.metric follows val/accuracy, got {limit}; "
        "follow a metric of the training instead"
    }


def test_takes_no_validation_where_the_training_is_followed():
    overrides = ["+trainer.limit_val_batches=0.0", "monitor.metric=train/loss", "monitor.mode=min"]
    assert refused(*overrides) == {}


@pytest.mark.parametrize(
    ("val", "test", "wrong"), [(0.5, 0.5, True), (0.9, 0.2, True), (0.5, 0.4, False), (1.5, 0.2, False)]
)
def test_refuses_fractions_that_leave_nothing_to_train_on(val, test, wrong):
    problems = refused(f"validation.val_fraction={val}", f"validation.test_fraction={test}")
    rule = f"and test_fraction must leave something to train on (sum < 1), got {val} + {test}"
    assert problems == ({"validation.val_fraction": rule} if wrong else {})  # what is no fraction is refused alone


@pytest.mark.parametrize("value", ["abc", True, None, {}])
@pytest.mark.parametrize("key", ["validation", "trainer", "callbacks", "search", "monitor"])
def test_what_is_not_what_it_should_be_is_left_to_the_checks_of_values(key, value):
    cfg = compose()
    targets = {part: describe(cfg[part]._target_) for part in PARTS}
    tree = {**OmegaConf.to_container(cfg, resolve=True), key: value}
    assert list(find_problems(tree, targets)) == []


def test_options_are_found_by_what_their_targets_say():
    images = advice_on("model", "accepts", "image")
    assert images.startswith("choose model=cnn, huggingface, mlp, resnet, ")
    assert "vgg16" in images  # which takes its class from another option
    assert advice_on("loss", "problem", "regression") == "choose loss=huber, mae, mse"
    none = "none of bce, cross_entropy, focal, huber, mae, mse is for that"
    assert advice_on("loss", "problem", "poetry") == f"{none}; make one of your own: docs/your_own_code.md"


def test_a_kind_that_no_model_takes_is_answered_with_those_there_are_and_the_guide(tmp_path, monkeypatch):
    text = "class Waves:\n    kind = 'waves'\n\n    def __init__(self, **keys): ...\n"
    (tmp_path / "consistency_waves.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    said = refused("data._target_=consistency_waves.Waves", "model=cnn")["model"]
    assert said.startswith("CNN takes images, but Waves is of the kind 'waves'; none of audio_cnn, cnn, ")
    assert said.endswith(" is for that; make one of your own: docs/your_own_code.md")
