"""Any two options train together, or are refused with a reason: a covering array for each kind of data."""

import gc
from itertools import combinations, product

import pytest
from file_runs import SMALL, words_for
from options import NEEDS_GPU, OPTIONS

from lightune import compose, train
from lightune.config.validate import find_problems
from lightune.errors import ConfigError

pytestmark = pytest.mark.slow

GROUPS = ("model", "augmentation", "regularization", "schedule", "optimizer", "scheduler", "loss", "validation",
          "metrics", "callbacks", "trainer", "logger", "task")  # fmt: skip
ELSEWHERE = NEEDS_GPU | {"trainer/ddp_cpu", "model/huggingface", "logger/mlflow", "logger/wandb"}
"""Options that a process of its own trains, or that need a network made beforehand or another package."""
SIZES = {
    "model=audio_cnn": ["model.channels=[4]"],
    "model=cnn": ["model.channels=[4]", "model.units=8"],
    "model=ft_transformer": ["model.embedding=8", "model.heads=2", "model.units=8"],
    "model=mlp": ["model.units=8"],
    "model=resnet": ["model.channels=[4]", "model.blocks=1"],
    "model=tabular_resnet": ["model.units=8", "model.hidden=8"],
    "model=text_lstm": ["model.embedding=8", "model.units=8"],
    "model=text_mean": ["model.embedding=8", "model.units=8"],
    "model=text_transformer": ["model.embedding=8", "model.heads=2", "model.units=8"],
    "model=timm": ["model.name=test_resnet", "model.image_size=32"],
    "model=torchvision": ["model.name=mobilenet_v3_small", "model.image_size=32"],
    "model=vgg16": ["model.name=mobilenet_v3_small", "model.weights=null", "model.image_size=32"],
    "optimizer=gd": ["data.batch_size=full"],
    "validation=bootstrap": ["validation.n=2"],
    "validation=kfold": ["validation.k=2"],
}
"""What keeps an option small, or lets it have its effect in a training of two epochs."""
BESIDE = {
    "finder": ["trainer.lr_find=false", "trainer.lr_find=true", "trainer.batch_size_find=true"],
    "fits": ["repeats=1", "repeats=2"],
    "decay": ["+task.decay=all", "+task.decay=weights"],
    "place": ["data.placement=device", "data.placement=stream"],
}
"""Settings that are no group, and combine with every one."""
IN_MEMORY = {"text"}
"""Kinds of data that are never streamed."""
SHORT = ["data.batch_size=8", "trainer.max_epochs=2", "trainer.accelerator=cpu",
         "metrics.bootstrap=0", "schedule.start=1", "schedule.every=1"]  # fmt: skip
FITS = {"validation=bootstrap", "validation=kfold", "repeats=2"}
NEVER = [
    ({"trainer.lr_find=true", "trainer.batch_size_find=true", "callbacks=none"}, FITS),
    ({"schedule=batch_growth", "schedule=both"}, {"optimizer=gd", "trainer.batch_size_find=true"}),
    ({"optimizer=gd"}, {"trainer.batch_size_find=true"}),
    ({"regularization=label_smoothing"}, {"loss=bce", "loss=focal"}),
]
"""What is refused together, any of the first with any of the second: a row with both would try nothing else."""
PLAIN = {"augmentation=none", "callbacks=default", "loss=cross_entropy", "regularization=none", "schedule=none",
         "scheduler=constant", "trainer=cpu", "validation=holdout"}  # fmt: skip
"""What combines with everything, and stands first in its group: a row takes it where it may take any."""


def choices():
    """Return group → the words that choose each of its options."""
    found = {group: [] for group in GROUPS}
    for option in OPTIONS:
        group, _, name = option.partition("/")
        if group in found and "/" not in name and option not in ELSEWHERE:
            found[group].append(f"{group}={name}")
    for some in found.values():
        some.sort(key=lambda choice: choice not in PLAIN)
    return {**found, **BESIDE}


def words_of(chosen):
    """Return the words of a training with some choices: groups first, so that no option undoes a size."""
    groups = [choice for choice in chosen if choice.partition("=")[0] in GROUPS]
    beside = [choice for choice in chosen if choice not in groups]
    return [*groups, *SHORT, *beside, *(word for choice in groups for word in SIZES.get(choice, ()))]


@pytest.fixture
def ends(tmp_path):
    """Train with some words; return whether it trained, or was refused, and else what went wrong."""

    def call(words):
        try:
            result = train(compose([*words, f"output_root={tmp_path / 'out'}"]))
        except ConfigError as refusal:
            lines = [line for problem in refusal.problems for line in str(problem).splitlines()]
            return "refused" if len(lines) == len(refusal.problems) else f"refused in several lines: {lines}"
        except Exception as error:  # noqa: BLE001 - all of them are looked at together
            return f"{type(error).__name__}: {error}"
        finally:
            gc.collect()
        return "trained" if result.error is None and result.objective.value is not None else str(result)

    return call


@pytest.fixture
def fitting(tmp_path):
    """Return the words of a kind of data, and the choices that each by itself fits it."""

    def call(kind):
        data = [word for word in words_for(kind, tmp_path) if word.startswith("data")]
        data += ["data.num_workers=0"] if kind not in IN_MEMORY else []

        def fits(choice):
            try:
                return not find_problems(compose([*data, *words_of([choice])]))
            except ConfigError:  # it is a key that these data have not
                return False

        found = {group: [choice for choice in some if fits(choice)] for group, some in choices().items()}
        return data, {group: some for group, some in found.items() if some}

    return call


def may_stand(chosen):
    """Return whether nothing that is refused together is among some choices."""
    return not any(one & set(chosen) and other & set(chosen) for one, other in NEVER)


def packed(pairs):
    """Return the pairs in as few lists as a greedy way finds, none with two options of one group."""
    rows = []
    for pair in pairs:
        chosen = {group_of(choice): choice for choice in pair}
        for row, taken in rows:
            if all(taken.get(group, choice) == choice for group, choice in chosen.items()):
                row.append(pair)
                taken.update(chosen)
                break
        else:
            rows.append(([pair], chosen))
    return [row for row, _ in rows]


def group_of(choice):
    return next((name for name, some in BESIDE.items() if choice in some), choice.partition("=")[0])


@pytest.mark.parametrize("kind", SMALL)
def test_two_options_train_together_or_are_refused(kind, fitting, ends):
    from allpairspy import AllPairs  # of the extra that only developers need

    data, options = fitting(kind)
    assert choices().keys() - options.keys() == ({"place"} if kind in IN_MEMORY else set()), (
        "nothing of a group fits"
    )
    every = {frozenset(pair) for groups in combinations(options.values(), 2) for pair in product(*groups)}
    wrong, trained = {}, set()

    def ending_of(chosen):
        words = words_of(chosen)
        ending = ends([*data, *words])
        if ending == "trained":
            trained.update(map(frozenset, combinations(chosen, 2)))
        elif ending != "refused":
            wrong[" ".join(words)] = ending
        return ending

    for row in AllPairs(list(options.values()), filter_func=may_stand):
        ending_of(row)
    left = packed(sorted(map(sorted, every - trained)))  # a row that was refused says nothing of its other pairs
    while left:
        pairs = left.pop()
        ending = ending_of(sorted({choice for pair in pairs for choice in pair}))
        if ending != "trained" and len(pairs) > 1:
            left += [pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]]
        elif ending == "trained" and not all(map(may_stand, pairs)):
            wrong[" ".join(words_of(pairs[0]))] = "trained, and NEVER says that it is refused"
    assert not wrong, "\n".join(f"{words}\n    {ending}" for words, ending in wrong.items())
    assert len(trained) > 0.8 * len(every), "hardly any two options train together"
