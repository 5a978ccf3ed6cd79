"""The strengths of regularization judged by the parts that they work on."""

from omegaconf import OmegaConf

from lightune import compose
from lightune.config.static.signatures import describe
from lightune.config.strengths import find_problems

PARTS = ("task", "data", "augmentation", "model", "loss", "metrics", "scheduler")


def refused(*overrides):
    """Return key → message of what cannot be."""
    tree = OmegaConf.to_container(compose(overrides), resolve=True)
    targets = {part: describe(tree[part]["_target_"]) for part in PARTS}
    return {problem.key: problem.message for problem in find_problems(tree, targets)}


def test_labels_are_smoothed_once_and_by_cross_entropy_only():
    assert refused("regularization=label_smoothing") == {}
    assert refused("regularization=label_smoothing", "loss.label_smoothing=0.1") == {
        "regularization.label_smoothing": ("is the same as loss.label_smoothing, which is set, too; remove one")
    }
    for loss, name in (("focal", "Focal"), ("bce", "BinaryCrossEntropy")):
        assert refused("regularization=label_smoothing", f"loss={loss}") == {
            "regularization.label_smoothing": (
                f"smooths the targets of cross-entropy, and {name} has none; "
                "choose loss=cross_entropy, or regularization.label_smoothing=0"
            )
        }
    assert refused("loss.label_smoothing=0.1") == {}


def test_samples_are_mixed_where_mixtures_mean_something():
    for words in (
        ["regularization=mixup"],
        ["regularization=mixup", "data=diabetes", "loss=mse"],
        ["regularization=cutmix"],
    ):
        assert refused(*words) == {}
    assert refused("regularization=cutmix", "data=wine") == {
        "regularization.cutmix": (
            "puts boxes of images into others, and Wine is a table, whose columns have no order; "
            "choose regularization.cutmix=0, or regularization=mixup"
        )
    }
    assert "numbers of tokens" in refused("regularization=mixup", "data=text_csv")["regularization.mixup"]
    embedded = refused("regularization=mixup", "data=csv", "data.categories=embedding")
    assert "numbers of categories" in embedded["regularization.mixup"]


def test_one_average_of_the_weights_is_judged():
    assert refused("regularization=ema") == refused("regularization=swa") == {}
    both = refused("regularization=ema", "regularization.swa=0.5")["regularization.ema"]
    assert both.endswith("choose regularization.ema=0, or regularization.swa=null")
    sharded = refused("regularization=swa", "trainer=fsdp")["regularization.swa"]
    assert sharded == "averages whole weights, and trainer.strategy=fsdp divides them; choose trainer=ddp"
    assert refused("regularization=swa", "trainer.max_epochs=-1", "+trainer.max_steps=9") == {
        "regularization.swa": (
            "is a share of trainer.max_epochs, which is -1; set it, or choose regularization=ema"
        )
    }
    for average in ("StochasticWeightAveraging", "EMAWeightAveraging"):
        words = ["regularization=ema", f"+callbacks.own._target_=pytorch_lightning.callbacks.{average}"]
        tree = OmegaConf.to_container(compose(words), resolve=True)
        targets = {"callbacks.own": describe(tree["callbacks"]["own"]["_target_"])}
        (problem,) = find_problems(tree, targets)
        assert problem.message == "averages weights, and so does callbacks.own; remove one"
