from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from lightune.data import InMemoryData, Samples
from lightune.data.scaling import fit_scaling
from lightune.runtime.quiet import quiet
from lightune.validation import Split

SPLIT = Split(train=np.arange(0, 12), val=np.arange(12, 16), test=np.arange(16, 20))


class Rows(InMemoryData):
    def __init__(self, inputs, targets, num_classes=2, **arguments):
        super().__init__(**arguments)
        self.reads = 0
        self._content = Samples(inputs, targets, num_classes=num_classes)

    def load(self):
        self.reads += 1
        return self._content


def table(**arguments):
    inputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) * 10 + 5
    return Rows(inputs, torch.arange(20) % 2, **arguments)


def values(**arguments):
    inputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    return Rows(inputs, torch.arange(20.0).unsqueeze(1) * 10 + 100, num_classes=0, **arguments)


def whole(loader):
    inputs, targets = zip(*loader, strict=True)
    return torch.cat(inputs), torch.cat(targets)


def test_samples_are_read_once():
    data = table()
    assert data.reads == 0
    _ = data.samples, data.input_shape, data.num_classes, data.fingerprint()
    data.divide(SPLIT, seed=0)
    assert data.reads == 1


def test_each_part_has_the_rows_of_the_division():
    data = table(scaling="none")
    data.divide(SPLIT, seed=0)
    assert data.sizes == {"train": 12, "val": 4, "test": 4}
    inputs, targets = data.samples.inputs, data.samples.targets
    for loader, rows in [(data.val_dataloader(), SPLIT.val), (data.test_dataloader(), SPLIT.test)]:
        served, wanted = whole(loader)
        assert torch.equal(served, inputs[rows])
        assert torch.equal(wanted, targets[rows])
    served, _ = whole(data.train_dataloader())
    assert sorted(served[:, 0].tolist()) == sorted(inputs[SPLIT.train, 0].tolist())


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_validation_and_test_rows_do_not_reach_the_statistics(scaling):
    data, wild = table(scaling=scaling), table(scaling=scaling)
    wild.samples.inputs[12:] = wild.samples.inputs[12:] * 1e6 - 1e9
    for each in (data, wild):
        each.divide(SPLIT, seed=0)
    assert torch.equal(whole(data.train_dataloader())[0], whole(wild.train_dataloader())[0])
    assert not torch.equal(whole(data.val_dataloader())[0], whole(wild.val_dataloader())[0])


def test_validation_rows_are_scaled_with_the_statistics_of_the_training_rows():
    data = table(scaling="standard")
    data.divide(SPLIT, seed=0)
    train = data.samples.inputs[:12]
    expected = (data.samples.inputs[12:16] - train.mean(dim=0)) / train.std(dim=0, correction=0)
    torch.testing.assert_close(whole(data.val_dataloader())[0], expected)


def test_targets_of_regression_are_served_in_real_units_with_a_scaler_of_the_training_rows():
    data = values(target_scaling="standard")
    data.divide(SPLIT, seed=0)
    train = data.samples.targets[:12]
    assert data.target_scaler.shift.item() == pytest.approx(train.mean().item())
    assert data.target_scaler.scale.item() == pytest.approx(train.std(correction=0).item())
    assert torch.equal(whole(data.val_dataloader())[1], data.samples.targets[12:16])


def test_classes_have_no_target_scaler():
    data = table(target_scaling="standard")
    data.divide(SPLIT, seed=0)
    assert data.target_scaler is None


def test_integer_images_are_served_as_floats():
    pixels = torch.arange(80, dtype=torch.uint8).reshape(20, 1, 2, 2)
    data = Rows(pixels, torch.arange(20) % 2, scaling="minmax")
    data.divide(SPLIT, seed=0)
    inputs, _ = whole(data.train_dataloader())
    assert inputs.dtype == torch.float32
    assert (inputs.amin().item(), inputs.amax().item()) == (0.0, 1.0)


def test_shapes_follow_from_the_samples():
    assert (table().input_shape, table().num_classes, table().num_targets) == ((3,), 2, 0)
    assert (values().num_classes, values().num_targets) == (0, 1)


def test_the_batch_size_is_that_of_training_batches():
    data = table(batch_size=5)
    data.divide(SPLIT, seed=0)
    assert [len(targets) for _, targets in data.train_dataloader()] == [5, 5, 2]
    assert [len(targets) for _, targets in data.val_dataloader()] == [4]


def test_a_full_batch_is_the_whole_training_part():
    data = Rows(torch.zeros(5000, 1), torch.arange(5000) % 2, batch_size="full")
    data.divide(Split(np.arange(4000), np.arange(4000, 4500), np.arange(4500, 5000)), seed=0)
    assert [len(targets) for _, targets in data.train_dataloader()] == [4000]


def test_training_batches_are_shuffled_by_the_seed_of_the_division():
    def served(seed):
        data = table(scaling="none")
        data.divide(SPLIT, seed=seed)
        return whole(data.train_dataloader())[0][:, 0].tolist()

    assert served(1) == served(1)
    assert served(1) != served(2)
    assert served(1) != table().samples.inputs[:12, 0].tolist()


@pytest.mark.parametrize(("overfit_batches", "shuffled"), [(0.0, True), (1, False)])
def test_overfitting_takes_the_same_batches_every_epoch(overfit_batches, shuffled):
    data = table(scaling="none")
    data.divide(SPLIT, seed=0)
    with quiet(verbose=False):
        data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, overfit_batches=overfit_batches)
    as_they_lie = torch.equal(whole(data.train_dataloader())[0], data.samples.inputs[:12])
    assert as_they_lie is not shuffled


def test_the_same_data_have_the_same_fingerprint():
    assert table().fingerprint() == table(scaling="none", batch_size=3).fingerprint()


def test_one_changed_value_changes_the_fingerprint():
    inputs, targets = table(), table()
    inputs.samples.inputs[7, 2] += 1e-3
    targets.samples.targets[7] += 1
    assert len({table().fingerprint(), inputs.fingerprint(), targets.fingerprint()}) == 3


def test_the_same_numbers_in_another_shape_have_another_fingerprint():
    one, other = (Rows(torch.zeros(shape), torch.zeros(4)) for shape in ((4, 3), (4, 1, 3)))
    assert one.fingerprint() != other.fingerprint()


def test_the_fingerprint_does_not_depend_on_how_the_samples_lie_in_memory():
    inputs = torch.arange(12.0).reshape(3, 4)
    lying = inputs.T.contiguous().T
    assert not lying.is_contiguous()
    assert Rows(lying, torch.zeros(3)).fingerprint() == Rows(inputs, torch.zeros(3)).fingerprint()


def test_groups_that_a_division_cuts_are_asked_about():
    data = table()
    data.read(replace(data.load(), groups={"patient": np.arange(20) // 5, "site": np.arange(20) // 10}))
    data.divide(SPLIT, seed=0)
    assert data.questions() == [
        ("question", "2 groups of patient in several parts: validation.groups=patient keeps each on one side"),
        ("question", "1 group of site in several parts: validation.groups=site keeps each on one side"),
    ]
    data.read(replace(data.samples, official_test=4, groups={"site": np.arange(20) // 10}))
    assert data.questions()[0][1].endswith("in several parts: the official parts divide them")


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_a_stream_is_scaled_as_samples_that_lie_ready_and_its_training_part_is_not_copied(monkeypatch, scaling):
    ready = table(scaling=scaling)
    ready.divide(SPLIT, seed=0)
    streamed = table(scaling=scaling, placement="stream", num_workers=0)
    given = []

    def watched(train, scaling, *, rows=None):
        given.append((train, rows))
        return fit_scaling(train, scaling, rows=rows)

    monkeypatch.setattr("lightune.data.memory.fit_scaling", watched)
    streamed.divide(SPLIT, seed=0)
    (samples, rows), *_ = given
    assert samples is streamed.samples.inputs
    assert rows.tolist() == SPLIT.train.tolist()
    assert torch.equal(streamed.scaler.shift, ready.scaler.shift)
    assert torch.equal(streamed.scaler.scale, ready.scaler.scale)
