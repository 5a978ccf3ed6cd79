"""Batches of mixed samples: partners, shares and targets, however the batches are given out."""

import pytest
import torch

from lightune.augmentation import Augmentation, Mixing
from lightune.data import Diabetes, Digits
from lightune.data.loader import TensorLoader
from lightune.data.mixed import MixedLoader
from lightune.validation import Holdout

CPU = torch.device("cpu")


def digits(mixing=None, cls=Digits, **how):
    data = cls(batch_size=100, **how)
    (split,) = Holdout().splits_of_repeat(data.rows, 0, seed=0)
    if mixing is not None:
        data.mix(mixing)
    data.divide(split, seed=3)
    return data


def whole(loader):
    return [torch.cat(parts) for parts in zip(*loader, strict=True)]


def test_a_sample_is_mixed_with_the_next_of_the_epoch_and_the_last_with_the_first():
    mixing = Mixing(mixup=1.0)
    plain, plain_targets = whole(digits().train_dataloader())
    x, target, other, share = whole(digits(mixing).train_dataloader())
    assert torch.equal(target, plain_targets)
    assert torch.equal(other, plain_targets.roll(-1))
    shares = share.view(-1, 1, 1, 1)
    torch.testing.assert_close(x, shares * plain + (1 - shares) * plain.roll(-1, dims=0))
    assert 0.5 <= share.min() < 0.6


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(flip=0.5, crop=0.1)])
@pytest.mark.parametrize("mixing", [Mixing(0.4), Mixing(cutmix=1.0), Mixing(0.4, 1.0)])
def test_mixtures_are_the_same_in_chunks_streams_and_from_the_middle_on(mixing, augmentation):
    def parts(**how):
        data = digits(mixing, **how)
        data.augment(augmentation)
        data.divide(data._split, seed=3)
        return data

    expected = whole(parts().train_dataloader())
    chunks = parts()
    chunks.steps_per_execution = 5
    streamed = parts(placement="stream", num_workers=0)
    later = parts()
    later.load_state_dict({"position": {"epoch": 0, "batches": 4}})
    for data, first in ((chunks, 0), (streamed, 0), (later, 400)):
        for one, two in zip(whole(data.train_dataloader()), expected, strict=True):
            assert torch.equal(one, two[first:])
    assert not torch.equal(expected[0][:400], expected[0][400:800])


def test_several_processes_mix_what_one_mixes():
    inputs, rows = torch.randn(40, 3), torch.arange(40)

    def loader(process, processes, size):
        order = TensorLoader(
            inputs,
            rows,
            batch_size=size,
            shuffle=True,
            seed=1,
            partners=True,
            process=process,
            processes=processes,
        )
        how = {"device": CPU, "seed": 1, "epoch": lambda: 0, "processes": processes}
        return whole(MixedLoader(order, Mixing(1.0), torch.arange(40) % 7, **how))

    alone = loader(0, 1, 8)
    shared = [loader(process, 2, 4) for process in (0, 1)]
    for one, *two in zip(alone, *shared, strict=True):
        assert torch.equal(torch.stack(two, dim=1).flatten(0, 1), one)


def test_values_are_mixed_as_inputs_are():
    data = digits(Mixing(1.0), Diabetes)
    plain = digits(None, Diabetes)
    (x, target), (own, wanted) = whole(data.train_dataloader()), whole(plain.train_dataloader())
    share = (target - wanted.roll(-1, 0)) / (wanted - wanted.roll(-1, 0))
    sound = (wanted - wanted.roll(-1, 0)).abs()[:, 0] > 1
    torch.testing.assert_close(
        x[sound], (share * own + (1 - share) * own.roll(-1, 0))[sound], rtol=1e-3, atol=1e-3
    )


def test_what_is_judged_is_not_mixed():
    data, plain = digits(Mixing(0.4, 1.0)), digits()
    for part in ("val", "test", "train"):
        for one, two in zip(data.evaluation_dataloader(part), plain.evaluation_dataloader(part), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_boxes_are_cut_out_of_images_only():
    with pytest.raises(ValueError, match="cutmix cuts boxes out of images, and Diabetes is a table"):
        digits(Mixing(cutmix=1.0), Diabetes)


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(flip=0.5)])
@pytest.mark.parametrize("placement", ["device", "host", "stream"])
@pytest.mark.parametrize("kind", [Digits, Diabetes])
def test_what_is_measured_on_the_training_part_is_not_mixed(kind, placement, augmentation):
    plain = whole(digits(cls=kind).evaluation_dataloader("train"))
    data = digits(Mixing(0.4), cls=kind, placement=placement, num_workers=0)
    if kind is Digits:
        data.augment(augmentation)
        data.divide(data._split, seed=3)
    list(data.train_dataloader())
    for one, two in zip(whole(data.evaluation_dataloader("train")), plain, strict=True):
        assert torch.equal(one, two)
