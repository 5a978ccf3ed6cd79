"""Judge the parts of a configuration by each other: the data's kind, the loss, the metrics, the monitor.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from lightune.config import extra_metrics, finders, schema, strengths
from lightune.config.options import Option, options_of
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.static.signatures import Target
from lightune.config.strengths import OUR_TASK
from lightune.errors import Problem
from lightune.paths import absence

__all__ = ["KINDS", "advice_on", "find_problems"]

_COUNTED = ("parameters", "seconds")  # what a study can seek beside metrics
KINDS = {
    "image": ("images", "an image"),
    "table": ("tables", "a table"),
    "audio": ("sounds", "a sound"),
    "text": ("texts", "a text"),
}
"""Kind of data → what samples of it are called, many and one."""

_UNVARIED = {
    "table": "no change of a cell is known to keep its row's target",
    "text": "no change of a token is known to keep its text's target",
}
_FOLLOWERS = ("lightune.callbacks.", "pytorch_lightning.callbacks.")
_OUR_DATA = "lightune.data."
_OUR_MODELS = "lightune.models."


def find_problems(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    """Yield what does not fit together.

    Args:
        tree: the configuration as plain values.
        targets: the targets that could be read, by the dotted key they stand at.
    """
    task = targets.get("task")
    yield from _fractions(tree)
    yield from _validation_off(tree)
    yield from _paths(tree, targets)
    yield from _weights(tree, targets)
    yield from _augmentation(tree, targets)
    yield from _scaling_of_weights(tree, targets)
    yield from _own_tokens(tree, targets)
    yield from _plateau(tree, targets)
    yield from _schedule(tree, targets)
    yield from strengths.find_problems(tree, targets)
    yield from finders.find_problems(tree, targets)
    if task is None or "model" in task.parameters:
        yield from _kinds(targets)
        yield from _embeddings(tree, targets)
    yield from extra_metrics.find_problems(tree, targets)
    if task is not None and task.path == OUR_TASK:
        yield from _problem_of("loss", targets)
        yield from _problem_of("metrics", targets)
        yield from _monitor(tree, targets)


def _kinds(targets: dict[str, Target]) -> Iterator[Problem]:
    data, model = targets.get("data"), targets.get("model")
    if data is None or model is None:
        return
    kind, accepted = data.constants.get("kind"), model.constants.get("accepts")
    if kind and accepted and kind not in accepted:
        advice = advice_on("model", "accepts", kind)
        takes = " or ".join(KINDS.get(name, (name, name))[0] for name in accepted)
        given = KINDS.get(kind, (kind, f"of the kind {kind!r}"))[1]
        yield Problem("model", f"{model.name} takes {takes}, but {data.name} is {given}; {advice}")


def _paths(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    data, target = tree.get("data"), targets.get("data")
    if target is None or not target.path.startswith(_OUR_DATA):  # data of one's own may take an address
        return
    for key in ("path", "labels"):
        path = data.get(key) if isinstance(data, dict) else None
        if isinstance(path, str) and not Path(path).expanduser().exists():
            yield Problem(f"data.{key}", absence(path))


def _weights(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    model, target = tree.get("model"), targets.get("model")
    weights = model.get("weights") if isinstance(model, dict) else None
    if target is None or not target.path.startswith(_OUR_MODELS) or not isinstance(weights, str):
        return
    file = Path(weights).expanduser()
    is_a_name = not file.suffix and file.parent == Path()
    if not is_a_name and not file.is_file():
        rule = f"there is no file {file.absolute()}; weights may also be null or DEFAULT"
        yield Problem("model.weights", rule)


def _augmentation(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    data, augmentation, node = targets.get("data"), targets.get("augmentation"), tree.get("augmentation")
    kind = None if data is None else data.constants.get("kind")
    if data is None or augmentation is None or kind is None or not isinstance(node, dict):
        return
    of_kind = {key: augmentation.constants.get(f"{key}_strengths", ()) for key in ("image", "audio")}
    own = of_kind.get(kind, ())
    named = [name for name, value in node.items() if _is_number(value) and value > 0 and not name.startswith("_")]
    unfit = [name for name in named if name not in own and any(name in names for names in of_kind.values())]
    if not unfit:
        return
    given = KINDS.get(kind, (kind, kind))[1]
    others = " and ".join(KINDS[key][0] for key, names in of_kind.items() if set(unfit) & set(names))
    does = "is" if len(unfit) == 1 else "are"
    rule = f"{', '.join(unfit)} {does} for {others}, but {data.name} is {given}"
    why = f", which nothing varies: {_UNVARIED[kind]}" if kind in _UNVARIED else ""
    fits = f"choose augmentation=none{f' or {_first(own)}' if own else ''}"
    yield Problem("augmentation", f"{rule}{why}; {fits}")


def _first(strengths: tuple[str, ...]) -> str:
    """Return the option of augmentation for samples that can have some strengths."""
    return "standard" if "flip" in strengths else "audio"


def _scaling_of_weights(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    data, model, node = targets.get("data"), targets.get("model"), tree.get("data")
    if data is None or model is None or not isinstance(node, dict) or node.get("scaling") != "weights":
        return
    if "input_mean" not in model.constants:
        rule = f"weights is for networks with weights that others have trained, which {model.name} has not"
        yield Problem("data.scaling", f"{rule}; choose model=torchvision, vgg16 or timm, or data.scaling=standard")
    elif data.constants.get("kind") != "image":
        yield Problem("data.scaling", f"weights is for images, which {data.name} has not; choose standard")


def _own_tokens(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    data, model, node = targets.get("data"), targets.get("model"), tree.get("data")
    if data is None or model is None or not isinstance(node, dict):
        return
    kind, own, tokens = data.constants.get("kind"), model.constants.get("own_tokens"), node.get("tokens")
    if kind == "text" and own and tokens != "model":
        rule = f"must be model: {model.name} reads texts as its own tokenizer cuts them"
        yield Problem("data.tokens", f"{rule}, got {show(tokens)}")
    elif tokens == "model" and not own:
        rule = f"model is for a network with a tokenizer of its own, which {model.name} has not"
        yield Problem("data.tokens", f"{rule}; choose model=huggingface, or word, char or byte")
    scaling = node.get("scaling")
    if kind == "image" and own and scaling != "weights":
        rule = f"must be weights: {model.name} reads images as its own processor scales them"
        yield Problem("data.scaling", f"{rule}, got {show(scaling)}")


def _embeddings(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    model, data = targets.get("model"), tree.get("data")
    if model is None or not isinstance(data, dict) or data.get("categories") != "embedding":
        return
    if "cardinalities" not in model.parameters:
        yield Problem("data.categories", f"{model.name} learns no embeddings; choose onehot, or model=mlp")


def _problem_of(group: str, targets: dict[str, Target]) -> Iterator[Problem]:
    data, part = targets.get("data"), targets.get(group)
    if data is None or part is None:
        return
    wanted, given = data.constants.get("problem"), part.constants.get("problem")
    if wanted and given and wanted != given:
        advice = advice_on(group, "problem", wanted)
        yield Problem(group, f"{part.name} is for {given}, but {data.name} is {wanted}; {advice}")


def _fractions(tree: dict[str, Any]) -> Iterator[Problem]:
    validation = tree.get("validation")
    if not isinstance(validation, dict):
        return
    val, test = validation.get("val_fraction"), validation.get("test_fraction")
    if _is_number(val) and _is_number(test) and max(val, test) < 1 <= val + test and min(val, test) > 0:
        rule = f"and test_fraction must leave something to train on (sum < 1), got {val} + {test}"
        yield Problem("validation.val_fraction", rule)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _monitor(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    metrics = targets.get("metrics")
    if metrics is None or "names" not in metrics.constants:
        return
    extra = extra_metrics.named(tree)
    names, higher = metrics.constants["names"], metrics.constants.get("higher_is_better", ())
    in_training = _measured_in_training(tree, metrics)
    exist = [f"val/{name}" for name in ("loss", *names, *extra)]
    exist += [f"train/{name}" for name in ("loss", *in_training)]
    known_bad: set[Any] = set()
    for path, metric, mode in _monitors(tree):
        if not isinstance(metric, str) or metric in known_bad:
            continue
        if metric not in exist:
            known_bad.add(metric)  # what follows monitor.metric needs no line of its own
            hint = did_you_mean(metric, exist)
            yield Problem(path, f"{show(metric)} is not measured;{hint} choose from {', '.join(exist)}")
            continue
        name = metric.partition("/")[2]
        better: str | None = "max" if name in higher else "min"
        if name in extra:
            better = extra_metrics.direction(targets.get(f"metrics.extra.{name}"))
        if better is None:
            if metric not in known_bad:
                known_bad.add(metric)
                yield Problem(path, extra_metrics.without_direction(metric))
            continue
        if mode in ("min", "max") and mode != better and (metric, mode) not in known_bad:
            known_bad.add((metric, mode))
            rule = f"{metric} is better when it is {'higher' if better == 'max' else 'lower'}"
            yield Problem(f"{path.rpartition('.')[0]}.mode", f"must be {better}: {rule}, got {mode}")


def _monitors(tree: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield key, metric and mode wherever a metric is followed."""
    if isinstance(monitor := tree.get("monitor"), dict):
        yield "monitor.metric", monitor.get("metric"), monitor.get("mode")
    callbacks = tree.get("callbacks")
    for name, node in callbacks.items() if isinstance(callbacks, dict) else ():
        if isinstance(node, dict) and str(node.get("_target_")).startswith(_FOLLOWERS):
            yield f"callbacks.{name}.monitor", node.get("monitor"), node.get("mode")
    search = tree.get("search")
    objectives = search.get("objectives") if isinstance(search, dict) else None
    for index, pair in enumerate(objectives if isinstance(objectives, list) else ()):
        if isinstance(pair, dict) and pair.get("metric") not in _COUNTED:
            yield f"search.objectives[{index}].metric", pair.get("metric"), pair.get("mode")


def _validation_off(tree: dict[str, Any]) -> Iterator[Problem]:
    trainer = tree.get("trainer")
    limit = trainer.get("limit_val_batches") if isinstance(trainer, dict) else None
    if not _is_number(limit) or limit != 0:
        return
    for path, metric, _ in _monitors(tree):
        if isinstance(metric, str) and metric.startswith("val/"):
            key, rule = "trainer.limit_val_batches", f"must be > 0: {path} follows {metric}"
            yield Problem(key, f"{rule}, got {show(limit)}; follow a metric of the training instead")
            return


def _plateau(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    trainer, scheduler, monitor = tree.get("trainer"), targets.get("scheduler"), tree.get("monitor")
    if not isinstance(trainer, dict) or scheduler is None or scheduler.name != "ReduceLROnPlateau":
        return
    metric = monitor.get("metric") if isinstance(monitor, dict) else None
    across = "check_val_every_n_epoch" in trainer and trainer["check_val_every_n_epoch"] is None
    if across and str(metric).startswith("val/"):
        rule = (
            f"looks at {metric} after each epoch; trainer.check_val_every_n_epoch=null measures it at other times"
        )
        yield Problem("scheduler", f"{rule}; choose another scheduler, or a number of epochs")


def _schedule(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    node, data, scheduler = tree.get("schedule"), tree.get("data"), targets.get("scheduler")
    if not isinstance(node, dict) or not isinstance(data, dict):
        return
    grows, size, most = node.get("batch_growth", 1) != 1, data.get("batch_size"), node.get("max_batch_size")
    if grows and size == "full":
        rule = "changes the size of batches, and data.batch_size=full is one batch of all samples"
        yield Problem("schedule.batch_growth", f"{rule}; choose a number, or schedule.batch_growth=1")
    elif grows and isinstance(size, int) and isinstance(most, int) and most < size:
        rule = f"must be at least data.batch_size={size}, with which it begins, got {most}"
        yield Problem("schedule.max_batch_size", rule)
    if node.get("follow") != "lr" or not (grows or node.get("regularization_growth", 1) != 1):
        return
    if node.get("milestones") is not None:
        rule = "are epochs, and schedule.follow=lr follows the learning rate"
        yield Problem("schedule.milestones", f"{rule}; remove them, or choose schedule.follow=epochs")
    if scheduler is not None and scheduler.name == "ConstantLR":
        rule = "follows the learning rate, which scheduler=constant leaves as it is"
        yield Problem(
            "schedule.follow", f"{rule}; choose scheduler=exponential, step or plateau, or follow=epochs"
        )
    elif scheduler is not None and "total_steps" in scheduler.parameters and grows:
        rule = f"cannot follow {scheduler.name}, which needs to know the number of steps that batches make"
        yield Problem(
            "schedule.follow", f"{rule}; choose scheduler=exponential, step or plateau, or follow=epochs"
        )


def _measured_in_training(tree: dict[str, Any], metrics: Target) -> list[str]:
    chosen = tree.get("metrics", {}).get("train")
    known = (*metrics.constants["names"], *extra_metrics.named(tree))
    return [name for name in chosen if name in known] if isinstance(chosen, list) else []


def advice_on(group: str, constant: str, wanted: str) -> str:
    """Say which options of a group have a target whose class constant is, or contains, the wanted word.

    Args:
        group: the config group, e.g. `loss`.
        constant: name of the class constant, e.g. `problem`.
        wanted: the word.

    Returns:
        What to choose; if no option fits, which there are, and where it says how to make one.
    """
    options = list(options_of(group))
    fitting = [option.name for option in options if wanted in _constant(option, constant)]
    if fitting:
        return f"choose {group}={', '.join(fitting)}"
    return (
        f"none of {', '.join(option.name for option in options)} is for that; make one of your own: {schema.GUIDE}"
    )


def _constant(option: Option, constant: str) -> tuple[Any, ...]:
    value = option.target.constants.get(constant) if option.target else None
    return value if isinstance(value, tuple) else (value,)
