"""Members trained together are the members trained alone: the same losses at every step, in double precision."""

from functools import partial

import pytest
import torch
from fused_members import (
    CLASSES,
    LONGEST,
    SHAPE,
    WORDS,
    Blobs,
    Cells,
    Pairs,
    Spec,
    Values,
    Words,
    train_to_the_end,
)
from torch import optim
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from lightune.augmentation import Augmentation
from lightune.engine.fused.loop import Computation, FusedLoop, LoopHooks
from lightune.losses import BinaryCrossEntropy, CrossEntropy, Huber
from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.models import CNN, MLP, FTTransformer, ResNet, TabularResNet, TextMean, TextTransformer
from lightune.optim import warmup_cosine
from lightune.regularization import Regularization
from lightune.validation import Bootstrap, CrossValidation

pytestmark = pytest.mark.long

EPOCHS = 5  # of eleven steps: more than fifty
SEEDS = (0, 0, 1, 2)
LRS = (1e-3, 3e-3, 1e-2, 2e-2)

MODELS = {
    "plain": partial(MLP, layers=2, units=8),
    "residual": partial(MLP, layers=2, units=[8, 6], connections="residual", activation="gelu"),
    "dense": partial(MLP, layers=2, units=8, connections="dense", activation="tanh"),
    "plain_norm": partial(MLP, layers=2, units=8, batch_norm=True),
    "residual_norm": partial(MLP, layers=2, units=8, connections="residual", batch_norm=True),
    "dense_norm": partial(MLP, layers=2, units=8, connections="dense", batch_norm=True),
    "wide": partial(MLP, layers=1, units=96),  # large enough for an update by torch's kernels
    "cnn": partial(CNN, channels=[3, 4], units=8),
    "cnn_norm": partial(CNN, channels=[3, 4], units=8, batch_norm=True, pooling="average"),
}
OPTIMIZERS = {
    "sgd": [partial(optim.SGD, lr=lr, momentum=m) for lr, m in zip(LRS, (0.0, 0.5, 0.9, 0.9), strict=True)],
    "nesterov": [
        partial(optim.SGD, lr=lr, momentum=m, nesterov=True, weight_decay=d)
        for lr, m, d in zip(LRS, (0.3, 0.5, 0.9, 0.9), (0, 1e-3, 1e-2, 0), strict=True)
    ],
    "adam": [
        partial(optim.Adam, lr=lr, betas=(b, 0.99), weight_decay=d)
        for lr, b, d in zip(LRS, (0.9, 0.8, 0.9, 0.5), (0, 0, 1e-2, 1e-3), strict=True)
    ],
    "adamw": [
        partial(optim.AdamW, lr=lr, weight_decay=d, eps=e)
        for lr, d, e in zip(LRS, (0.01, 0.1, 0, 0.5), (1e-8, 1e-6, 1e-8, 1e-8), strict=True)
    ],
    "rmsprop": [
        partial(optim.RMSprop, lr=lr, alpha=a, momentum=m)
        for lr, a, m in zip(LRS, (0.99, 0.9, 0.95, 0.99), (0, 0.9, 0.5, 0), strict=True)
    ],
    "adagrad": [
        partial(optim.Adagrad, lr=lr, lr_decay=d, initial_accumulator_value=i)
        for lr, d, i in zip(LRS, (0, 0.1, 0, 0.01), (0, 0.1, 0, 0), strict=True)
    ],
}
STRENGTHS = {
    "none": [Regularization()] * 4,
    "penalties": [Regularization(l1=a, l2=b) for a, b in ((0, 0), (1e-3, 0), (0, 1e-2), (1e-3, 1e-2))],
    "dropout": [Regularization(dropout=p) for p in (0.0, 0.2, 0.5, 0.5)],
    "clip": [Regularization(gradient_clip=c) for c in (None, 0.1, 0.5, 5.0)],
}


VOCABULARY = WORDS + 2  # with padding and the unknown token
CODES = {"cardinalities": (CLASSES + 1, 3), "units": 6}
SMALL_TRANSFORMER = {"embedding": 4, "heads": 2, "units": 6, "layers": 1}
NETWORKS = {
    "resnet": (Blobs, partial(ResNet, SHAPE, channels=[3, 4], blocks=1)),
    "resnet_plain": (Blobs, partial(ResNet, SHAPE, channels=[3, 4], blocks=[1, 2], batch_norm=False)),
    "tabular_resnet": (Cells, partial(TabularResNet, [4], hidden=7, **CODES)),
    "tabular_resnet_layer": (Cells, partial(TabularResNet, [4], hidden=7, normalization="layer", **CODES)),
    "ft_transformer": (Cells, partial(FTTransformer, [4], **{**CODES, **SMALL_TRANSFORMER})),
    "text_mean": (Words, partial(TextMean, [LONGEST], cardinalities=[VOCABULARY], embedding=4, units=5)),
    **{
        f"text_transformer_{pooling}_{positions}": (
            Words,
            partial(
                TextTransformer,
                [LONGEST],
                cardinalities=[VOCABULARY],
                pooling=pooling,
                positions=positions,
                **SMALL_TRANSFORMER,
            ),
        )
        for pooling, positions in (("mean", "sinusoidal"), ("cls", "learned"))
    },
}


def specs(model, optimizers, strengths, **parts):
    made = []
    for seed, optimizer, strength in zip(SEEDS, optimizers, strengths, strict=True):
        network = partial(model, SHAPE, CLASSES, dropout=strength.dropout)
        made.append(Spec(seed, model=network, optimizer=optimizer, regularization=strength, **parts))
    return made


def compare(apart, together):
    """Compare losses of all steps, measures of all epochs, and the state that is left."""
    for (one, member), (two, fused_member) in zip(apart, together, strict=True):
        assert len(one.losses) == len(two.losses) > 50
        torch.testing.assert_close(torch.tensor(two.losses), torch.tensor(one.losses), rtol=1e-6, atol=1e-12)
        assert one.rates == pytest.approx(two.rates, rel=1e-12)
        for expected, got in zip(one.epochs, two.epochs, strict=True):
            measured = {name: value for name, value in expected.items() if not name.startswith("train/lr")}
            assert got == pytest.approx(measured, rel=1e-5, abs=1e-6)
        ours, theirs = fused_member.task.state_dict(), member.task.state_dict()
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            # a bias before a normalization has no gradient but rounding, which Adagrad's first steps blow up
            loose = 1e-6 if name.endswith(("bias", "running_mean")) else 1e-9
            torch.testing.assert_close(ours[name].to(value), value, rtol=1e-6, atol=loose, msg=name)


MIXED = [
    Regularization(l2=1e-2),
    Regularization(l1=1e-3, dropout=0.2),
    Regularization(dropout=0.5),
    *STRENGTHS["clip"][1:2],
]


ONE_EACH = [(model, "adamw") for model in MODELS] + [("plain", optimizer) for optimizer in OPTIMIZERS]
THE_REST = [
    (model, optimizer) for model in MODELS for optimizer in OPTIMIZERS if (model, optimizer) not in ONE_EACH
]


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [*dict.fromkeys(ONE_EACH), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in THE_REST)],
)
def test_members_of_any_strength_are_those_trained_alone(alone, fused, model, optimizer):
    group = specs(MODELS[model], OPTIMIZERS[optimizer], MIXED)
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.slow
@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_each_strength_by_itself_gives_the_members_trained_alone(alone, fused, model, optimizer, strength):
    group = specs(MODELS[model], OPTIMIZERS[optimizer], STRENGTHS[strength])
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_for_each_kind_of_data_are_those_trained_alone(alone, fused, network):
    data, model = NETWORKS[network]
    how = {"data": partial(data, categories="embedding") if data is Cells else data}
    group = [
        Spec(seed, model=partial(model, num_outputs=CLASSES, dropout=strength.dropout), optimizer=optimizer, **how)
        for seed, optimizer, strength in zip(SEEDS, OPTIMIZERS["adamw"], STRENGTHS["dropout"], strict=True)
    ]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


SCHEDULERS = {
    "exponential": [partial(ExponentialLR, gamma=g) for g in (0.5, 0.9, 0.9, 0.99)],
    "step": [partial(StepLR, step_size=n, gamma=0.5) for n in (1, 2, 3, 3)],
    "cosine": [partial(CosineAnnealingLR, T_max=n) for n in (5, 5, 4, 20)],
    "warmup_cosine": [partial(warmup_cosine, warmup_ratio=r) for r in (0.0, 0.1, 0.5, 0.9)],
    "one_cycle": [partial(OneCycleLR, max_lr=m) for m in (0.01, 0.02, 0.05, 0.1)],
    "plateau": [partial(ReduceLROnPlateau, patience=p, factor=0.1) for p in (0, 0, 1, 2)],
    "mixed": [
        partial(StepLR, step_size=2),
        partial(ReduceLROnPlateau, patience=0),
        partial(warmup_cosine),
        partial(ConstantLR, factor=1.0),
    ],
}


@pytest.mark.parametrize("model", ["plain", "wide", "cnn_norm"])
def test_members_in_blocks_are_those_trained_alone(alone, fused, model):
    group = specs(MODELS[model], OPTIMIZERS["adamw"], MIXED, loss=partial(CrossEntropy, label_smoothing=0.1))
    compare(alone(group, EPOCHS), fused(group, EPOCHS, block_width=3))


@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_each_member_follows_its_own_schedule(alone, fused, schedule):
    group = [
        Spec(seed, optimizer=partial(optim.AdamW, lr=5e-2), scheduler=scheduler)
        for seed, scheduler in zip(SEEDS, SCHEDULERS[schedule], strict=True)
    ]
    apart = alone(group, EPOCHS)
    assert len({tuple(watch.rates) for watch, _ in apart}) > 1
    compare(apart, fused(group, EPOCHS))


@pytest.mark.parametrize("switch", [{"amsgrad": True}, {"maximize": True}])
def test_switches_of_the_optimizer_are_followed(alone, fused, switch):
    group = [
        Spec(seed, optimizer=partial(optim.Adam, lr=lr, **switch)) for seed, lr in zip(SEEDS, LRS, strict=True)
    ]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_centred_rmsprop_is_followed(alone, fused):
    group = [Spec(seed, optimizer=partial(optim.RMSprop, lr=1e-3, centered=True)) for seed in SEEDS]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_label_smoothing_is_each_members_own(alone, fused):
    group = [Spec(loss=partial(CrossEntropy, label_smoothing=share)) for share in (0.0, 0.1, 0.5)]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_members_of_different_augmentation_are_those_trained_alone(alone, fused):
    strengths = [Augmentation(), Augmentation(flip=0.5, crop=0.2), Augmentation(rotate=30), Augmentation(auto=0.5)]
    group = [Spec(seed, augmentation=how) for seed, how in zip(SEEDS, strengths, strict=True)]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_classes_weigh_in_each_member_as_they_do_alone(alone, fused, smoothing):
    weighed = [partial(CrossEntropy, smoothing, weights) for weights in ([1.0, 2.0, 5.0], [3.0, 1.0, 0.5])]
    group = [Spec(seed, loss=loss) for seed, loss in enumerate(weighed)]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_weigh_in_binary_decisions_as_they_do_alone(alone, fused, classes):
    weights = [4.0, 1.0, 2.0][:classes]
    kind = {"data": Pairs, "classes": 2, "metrics": ClassificationMetrics(2)} if classes == 2 else {}
    outputs = 1 if classes == 2 else 3
    model = partial(MLP, SHAPE, outputs, layers=2, units=8)
    losses = [partial(BinaryCrossEntropy, own) for own in (weights, weights[::-1])]
    group = [Spec(seed, model=model, loss=loss, **kind) for seed, loss in enumerate(losses)]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_values_are_learnt_in_each_members_own_units(alone, fused):
    parts = {
        "data": Values,
        "loss": Huber,
        "metrics": RegressionMetrics(train=["mae", "rmse", "r2"]),
        "classes": 0,
        "model": partial(MLP, SHAPE, 1, layers=1, units=8),
    }
    group = [Spec(seed, **parts) for seed in SEEDS]
    scalers = [spec.member().data.target_scaler for spec in group]
    assert scalers[0].shift != scalers[2].shift
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_two_classes_from_one_output(alone, fused):
    parts = {
        "data": Pairs,
        "loss": BinaryCrossEntropy,
        "metrics": ClassificationMetrics(2),
        "classes": 2,
        "model": partial(MLP, SHAPE, 1, layers=1, units=8),
    }
    group = [Spec(seed, **parts) for seed in SEEDS]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


@pytest.mark.parametrize(
    "parts",
    [
        {
            "divided": partial(CrossValidation, k=4),
            "model": partial(CNN, SHAPE, CLASSES, channels=[3], dropout=0.3),
        },
        {"divided": partial(CrossValidation, k=4), "model": partial(MLP, SHAPE, CLASSES, batch_norm=True)},
        {"divided": partial(CrossValidation, k=4), "batch_size": "full"},
        {"divided": partial(Bootstrap, n=4), "loss": partial(CrossEntropy, label_smoothing=0.1)},
        {
            "divided": partial(Bootstrap, n=4, stratify=False),
            "data": Values,
            "loss": Huber,
            "classes": 0,
            "metrics": RegressionMetrics(),
            "model": partial(MLP, SHAPE, 1, layers=1, units=8),
        },
    ],
    ids=["cnn", "mlp", "all at once", "resamples", "values"],
)
def test_folds_that_differ_in_size_are_those_trained_alone(alone, fused, parts):
    group = [Spec(0, fold=fold, **parts) for fold in range(4)]
    sizes = [tuple(spec.member().data.sizes.values()) for spec in group]
    assert len(set(sizes)) > 1
    epochs = 60 if parts.get("batch_size") == "full" else 6
    compare(alone(group, epochs), fused(group, epochs))


def test_members_that_differ_in_size_take_in_no_other():
    group = [Spec(0, divided=partial(CrossValidation, k=4), fold=fold) for fold in range(4)]
    loop = FusedLoop([spec.member() for spec in group], max_epochs=1)
    train_to_the_end(loop)
    later = group[0].member()
    assert loop.vacant
    assert not loop.accepts(later)
    with pytest.raises(ValueError, match="of the others' sizes"):
        loop.add_members([later])


def test_folds_that_end_leave_the_others_as_they_are(fused):
    group = [Spec(0, divided=partial(CrossValidation, k=5), fold=fold, batch_size=9) for fold in range(5)]
    undisturbed = fused(group, 5)
    first = [member.data.sizes["train"] for _, member in undisturbed]
    told = iter(range(100))
    left = fused(group, 5, stops=lambda end: end.epoch == 0 and next(told) in (0, 2, 3))
    assert len(set(first)) == 2
    for (one, _), (two, _) in zip(left, undisturbed, strict=True):
        assert one.losses == pytest.approx(two.losses[: len(one.losses)], rel=1e-9)
        assert one.epochs[-1] == pytest.approx(two.epochs[len(one.epochs) - 1], rel=1e-6)
    assert [member.epochs for _, member in left] == [1, 5, 1, 1, 5]


def test_a_metric_set_of_ones_own_is_measured_too(alone, fused):
    class Own(ClassificationMetrics):
        pass

    group = [Spec(seed, metrics=Own(CLASSES)) for seed in SEEDS]
    compare(alone(group, EPOCHS), fused(group, EPOCHS))


def test_members_that_end_leave_the_others_as_they_are(fused):
    group = [Spec(seed, regularization=Regularization(dropout=0.3)) for seed in range(5)]
    undisturbed = fused(group, 6)
    ends = {0: 1, 1: 0, 3: 1, 4: 2}

    def stops(end):
        return ends.get(end.member.seed) == end.epoch

    told = fused(group, 6, stops=stops)
    for (one, member), (two, _) in zip(told, undisturbed, strict=True):
        epochs = ends.get(member.seed, 5) + 1
        assert member.epochs == len(one.epochs) == epochs
        assert one.losses == pytest.approx(two.losses[: 11 * epochs], rel=1e-9)
        assert member.ending == ("completed" if member.seed == 2 else "stopped")
        assert member.steps == 11 * epochs


def test_members_in_free_places_are_those_trained_alone(alone):
    first = [Spec(0), Spec(1, regularization=Regularization(dropout=0.4)), Spec(2)]
    later = [
        Spec(3, optimizer=partial(optim.AdamW, lr=3e-3, weight_decay=0.1), scheduler=partial(StepLR, step_size=2)),
        Spec(0, regularization=Regularization(l2=1e-2, dropout=0.2, gradient_clip=0.5)),
        Spec(4, scheduler=partial(warmup_cosine)),
    ]
    for spec in (*first, *later):
        spec.model = partial(MLP, SHAPE, CLASSES, units=8, dropout=spec.regularization.dropout)
    losses, ends = {}, {0: 2, 1: 1}

    def on_step(rows, step):
        for member, loss in zip(rows, step.tolist(), strict=True):
            if member.ending is None:
                losses.setdefault(member, []).append(loss)

    members = [spec.member() for spec in first]

    def stops(end):
        return end.member in members and ends.get(members.index(end.member)) == end.epoch

    hooks = LoopHooks(on_step=on_step, on_epoch_end=stops)
    loop = FusedLoop(members, max_epochs=EPOCHS, hooks=hooks, computation=Computation(torch.float64))
    waiting, joined = [spec.member() for spec in later], []
    while loop.active:
        loop.round()
        while waiting and loop.vacant:
            assert loop.accepts(waiting[0])
            joined.append(waiting.pop(0))
            loop.add_members([joined[-1]])
    assert [len(losses[member]) for member in (*members, *joined)] == [33, 22, 55, 55, 55, 55]
    for (watch, apart), member in zip(alone(later, EPOCHS), joined, strict=True):
        assert watch.losses == pytest.approx(losses[member], rel=1e-6)
        for name, value in apart.task.state_dict().items():
            torch.testing.assert_close(member.task.state_dict()[name].to(value), value, rtol=1e-6, atol=1e-9)


def test_momentum_comes_with_the_member_that_has_it(alone):
    plain, heavy = (Spec(2, optimizer=partial(optim.SGD, lr=1e-2, momentum=m)) for m in (0.0, 0.9))
    losses = []
    member = heavy.member()

    def on_step(rows, step):
        losses.extend(loss for own, loss in zip(rows, step.tolist(), strict=True) if own is member)

    loop = FusedLoop(
        [plain.member(), Spec(1, optimizer=plain.optimizer).member()],
        max_epochs=EPOCHS,
        hooks=LoopHooks(on_step=on_step, on_epoch_end=lambda end: end.member is not member and end.epoch == 1),
        computation=Computation(torch.float64),
    )
    loop.round()
    loop.round()
    loop.add_members([member])
    train_to_the_end(loop)
    [(watch, _)] = alone([heavy], EPOCHS)
    assert watch.losses == pytest.approx(losses, rel=1e-6)


def test_a_member_that_needs_another_program_is_not_taken():
    loop = FusedLoop([Spec().member(), Spec(1).member()], max_epochs=1)
    assert loop.accepts(Spec(2).member())
    assert not loop.accepts(Spec(loss=partial(CrossEntropy, label_smoothing=0.1)).member())
    assert not loop.accepts(Spec(model=partial(MLP, SHAPE, CLASSES, layers=2, units=8, dropout=0.1)).member())
    train_to_the_end(loop)
    with pytest.raises(ValueError, match="same names and shapes"):
        loop.add_members([Spec(model=partial(MLP, SHAPE, CLASSES, units=4)).member()])


def test_the_program_narrows_to_a_few_widths_when_members_end():
    members = [Spec(seed).member() for seed in range(8)]
    widths = []

    def stops(end):
        if end.member is members[7]:
            widths.append(loop.width)
        return end.member.seed < end.epoch * 2

    loop = FusedLoop(members, max_epochs=6, hooks=LoopHooks(on_epoch_end=stops))
    train_to_the_end(loop)
    assert widths == [8, 8, 8, 4, 2]


def test_a_member_that_diverges_fails_by_itself(fused):
    rates = (1e-2, 1e300, 1e-2)
    group = [Spec(seed, optimizer=partial(optim.SGD, lr=lr)) for seed, lr in enumerate(rates)]
    told = fused(group, 4)
    assert [member.ending for _, member in told] == ["completed", "diverged", "completed"]
    sound = fused([group[0], group[2]], 4)
    for (one, _), (two, _) in zip([told[0], told[2]], sound, strict=True):
        assert one.losses == pytest.approx(two.losses, rel=1e-9)


def test_members_of_other_structures_are_refused():
    members = [Spec(model=partial(MLP, SHAPE, CLASSES, units=units)).member() for units in (4, 8)]
    with pytest.raises(ValueError, match="same names and shapes"):
        FusedLoop(members, max_epochs=1)
    members = [Spec(optimizer=partial(optim.Adam, lr=1e-3, amsgrad=switch)).member() for switch in (True, False)]
    with pytest.raises(ValueError, match="same switches"):
        FusedLoop(members, max_epochs=1)
