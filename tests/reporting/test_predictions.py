import csv

import pytest
import torch

from lightune.reporting.predictions import Predictions, read_predictions, write_predictions


def generator():
    return torch.Generator().manual_seed(0)


def of_classes(fit=0, classes=3, samples=50):
    logits = torch.randn(samples, classes, generator=generator()) * 20
    rows = torch.randperm(1000, generator=generator())[:samples].sort().values
    return Predictions(fit, rows, logits.softmax(dim=1), torch.arange(samples) % classes)


def of_values(fit=0, width=2, samples=50):
    drawn = torch.randn(2, samples, width, generator=generator())
    return Predictions(fit, torch.arange(samples), drawn[0] * 10 ** (drawn[1] * 10), drawn[1] / 3)


@pytest.mark.parametrize("made", [of_classes, of_values], ids=["classes", "values"])
def test_what_is_written_reads_back_to_the_bit(tmp_path, made):
    written = [made(0), made(1)]
    write_predictions(tmp_path, written)
    read = read_predictions(tmp_path)
    assert [each.fit for each in read] == [0, 1]
    for one, other in zip(read, written, strict=True):
        for name in ("rows", "predicted", "targets"):
            assert getattr(one, name).dtype == getattr(other, name).dtype
            assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_extreme_numbers_read_back_too(tmp_path):
    extreme = torch.tensor([[1e-45, 3.4028235e38], [-0.0, 1 / 3], [float("inf"), float("-inf")]])
    write_predictions(tmp_path, [Predictions(0, torch.arange(3), extreme, extreme.flip(1))])
    (read,) = read_predictions(tmp_path)
    assert torch.equal(read.predicted, extreme)
    assert torch.equal(read.predicted.signbit(), extreme.signbit())


def test_a_file_of_classes_names_the_likeliest(tmp_path):
    predicted = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    write_predictions(tmp_path, [Predictions(3, torch.tensor([17, 40]), predicted, torch.tensor([0, 1]))])
    with (tmp_path / "predictions.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"fit": "3", "row": "17", "target": "0", "predicted": "1", "p_0": "0.25", "p_1": "0.75"},
            {"fit": "3", "row": "40", "target": "1", "predicted": "0", "p_0": "0.5", "p_1": "0.5"},
        ]


def test_a_file_of_values_has_a_column_a_target(tmp_path):
    write_predictions(tmp_path, [of_values(width=2)])
    header = (tmp_path / "predictions.csv").read_text().splitlines()[0]
    assert header == "fit,row,target_0,target_1,predicted_0,predicted_1"


def test_without_a_file_there_is_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_predictions(tmp_path)
