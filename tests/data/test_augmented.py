"""Training samples are varied in the same way however they are given out, and no others are."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from lightune.augmentation import Augmentation
from lightune.data import InMemoryData, Samples
from lightune.data.augmented import AugmentedLoader
from lightune.data.loader import in_minibatches
from lightune.validation import Bootstrap, CrossValidation, Holdout

ALL = Augmentation(flip=0.5, crop=0.2, rotate=20, brightness=0.3, auto=0.3)


class Pictures(InMemoryData):
    """90 pictures of bytes, of three kinds."""

    kind = "image"

    def load(self):
        drawn = torch.randint(0, 256, (90, 3, 6, 5), generator=torch.Generator().manual_seed(0))
        return Samples(drawn.byte(), torch.arange(90) % 3, num_classes=3)


class Sounds(Pictures):
    """The same as spectrograms."""

    kind = "audio"

    def load(self):
        samples = super().load()
        return Samples(samples.inputs[:, :1].float() / 50 - 3, samples.targets, num_classes=3)


def divided(augmentation=ALL, *, kind=Pictures, seed=3, by=Holdout, fold=0, steps=1, epoch=0, ranks=(0, 1), **how):
    data = kind(**{"batch_size": 8, **how})
    if augmentation is not None:
        data.augment(augmentation)
    data.divide(by().splits(data.rows, seed=seed, test_seed=seed)[fold], seed=seed)
    data.steps_per_execution = steps
    data.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        current_epoch=epoch,
        global_rank=ranks[0],
        world_size=ranks[1],
        overfit_batches=0,
    )
    return data


def epoch_of(data):
    """Return all inputs and targets of an epoch, in the order in which they are given out."""
    inputs, targets = zip(*data.train_dataloader(), strict=True)
    data.close_streams()
    return torch.cat(inputs), torch.cat(targets)


def same(one, two):
    return all(torch.equal(*parts) for parts in zip(one, two, strict=True))


def test_batches_are_gathered_as_read_varied_and_then_scaled():
    data = divided()
    train = torch.from_numpy(data._split.train)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))  # any order: the sample counts
    rows = train[order]
    raw = data.samples.inputs[rows]
    values = data.variation.values
    assert (values.low, values.high) == (0.0, 255.0)
    varied = ALL(raw, order, seed=3, epoch=0, values=values, kind="image")
    expected = data.scaler(varied)
    inputs, _ = epoch_of(data)
    given = {tuple(each.flatten().tolist()) for each in inputs}
    assert len(given) == len(inputs) == len(data._split.train)
    assert {tuple(each.flatten().tolist()) for each in expected} <= given


def test_scaling_and_values_come_from_samples_as_they_were_read():
    plain, varied = divided(None), divided()
    assert torch.equal(plain.scaler.shift, varied.scaler.shift)
    assert torch.equal(plain.scaler.scale, varied.scaler.scale)
    sounds = divided(Augmentation(time_mask=0.3), kind=Sounds)
    train = sounds.samples.inputs[torch.from_numpy(sounds._split.train)]
    assert sounds.variation.values.mean == pytest.approx(train.mean().item())
    assert sounds.variation.values.low == train.min()


@pytest.mark.parametrize("strengths", [{"flip": 1.0}, {"time_mask": 0.5}])
def test_only_training_batches_are_varied(strengths):
    kind = Sounds if "time_mask" in strengths else Pictures
    plain, varied = divided(None, kind=kind), divided(Augmentation(**strengths), kind=kind)
    for part in ("val", "test", "train"):
        one, two = (next(iter(data.evaluation_dataloader(part))) for data in (plain, varied))
        assert same(one, two)
    assert not torch.equal(epoch_of(plain)[0], epoch_of(varied)[0])
    assert torch.equal(epoch_of(plain)[1], epoch_of(varied)[1])
    assert varied.described()["preparation"].keys() == plain.described()["preparation"].keys()


def test_strengths_of_zero_serve_what_is_served_without():
    plain, zero = divided(None), divided(Augmentation())
    assert type(zero.train_dataloader()) is type(plain.train_dataloader())
    assert same(epoch_of(plain), epoch_of(zero))


@pytest.mark.parametrize("steps", [2, 3, 100])
def test_chunks_hold_the_samples_that_batches_hold(steps):
    assert same(epoch_of(divided()), epoch_of(divided(steps=steps)))
    chunks = [in_minibatches(chunk, 8) for chunk in divided(steps=steps).train_dataloader()]
    batches = list(divided().train_dataloader())
    assert all(same(one, two) for one, two in zip((b for c in chunks for b in c), batches, strict=True))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("by", [Holdout, partial(Bootstrap, n=2)])
def test_a_stream_gives_the_samples_that_lie_ready_otherwise(workers, by):
    stream = divided(by=by, placement="stream", num_workers=workers)
    assert stream.is_streamed
    assert same(epoch_of(divided(by=by)), epoch_of(stream))
    assert stream.train_dataloader().sample_bytes == divided().train_dataloader().sample_bytes == 3 * 6 * 5 * 4


def test_an_epoch_that_is_resumed_gives_the_rest_of_it():
    whole = list(divided(epoch=2).train_dataloader())
    for streamed in ({}, {"placement": "stream", "num_workers": 0}):
        first, second = divided(epoch=2, **streamed), divided(epoch=2, **streamed)
        batches = iter(first.train_dataloader())
        begun = [next(batches) for _ in range(3)]
        assert first.batches_given == 3
        second.load_state_dict(first.state_dict())
        rest = list(second.train_dataloader())
        assert all(same(one, two) for one, two in zip(whole, [*begun, *rest], strict=True))


def test_processes_share_the_samples_that_one_has():
    whole = list(divided(batch_size=8).train_dataloader())
    shares = [list(divided(batch_size=4, ranks=(rank, 2)).train_dataloader()) for rank in (0, 1)]
    for one, *parts in zip(whole, *shares, strict=True):
        for rank, part in enumerate(parts):
            assert same([own[rank::2] for own in one], part)


def test_epochs_and_seeds_vary_samples_anew():
    def by_target(data):
        inputs, targets = epoch_of(data)
        return {tuple(each.flatten().tolist()) for each in inputs[targets == 0]}

    first = by_target(divided())
    assert first == by_target(divided())
    assert len(first & by_target(divided(epoch=1))) == 0
    assert len(first & by_target(divided(seed=4))) == 0


def test_a_sample_that_a_resample_holds_twice_is_varied_twice():
    data = divided(Augmentation(rotate=30), by=partial(Bootstrap, n=2))
    train = data._split.train
    assert len(set(train.tolist())) < len(train)
    inputs, _ = epoch_of(data)
    assert len({tuple(each.flatten().tolist()) for each in inputs}) == len(train)


def test_another_division_of_the_same_data_is_varied_by_its_own_values():
    data = divided(Augmentation(crop=0.3), by=partial(CrossValidation, k=3))
    other = data.undivided()
    assert other.variation is None
    other.divide(CrossValidation(k=3).splits(data.rows, seed=3, test_seed=3)[1], seed=9)
    assert (other.variation.seed, data.variation.seed) == (9, 3)
    assert isinstance(other.train_dataloader(), AugmentedLoader)


def test_samples_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"flip, time_mask cannot vary Rows \(kind table\)"):
        type("Rows", (Pictures,), {"kind": "table"})().augment(Augmentation(flip=0.5, time_mask=0.1))
    with pytest.raises(ValueError, match="time_mask cannot vary Pictures"):
        Pictures().augment(Augmentation(time_mask=0.1))
