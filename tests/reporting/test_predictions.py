import csv

import numpy as np
import pytest
import torch

from lightune.reporting.predictions import (
    Names,
    Predictions,
    read_predictions,
    read_validation,
    write_predictions,
    write_validation,
)


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


def test_samples_and_classes_are_called_by_their_names(tmp_path):
    names = Names(["=cat", "dog"], rows=[5, 4], files=["b.png", "-a.png"])
    fit = Predictions(0, torch.tensor([1, 0]), torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.tensor([1, 0]))
    write_predictions(tmp_path, [fit], names)
    header, first, second = (tmp_path / "predictions.csv").read_text().splitlines()
    assert header == "fit,row,file,target,predicted,p_=cat,p_dog"
    assert (first, second) == ("0,4,'-a.png,dog,dog,0.25,0.75", "0,5,b.png,'=cat,'=cat,0.5,0.5")
    (read,) = read_predictions(tmp_path)
    assert (read.rows.tolist(), read.targets.tolist()) == ([4, 5], [1, 0])


@pytest.mark.parametrize("of_classes", [True, False], ids=["classes", "values"])
def test_an_archive_reads_back(of_classes, tmp_path):
    targets = torch.tensor([1, 0]) if of_classes else torch.tensor([[1.5], [0.25]])
    predicted = torch.tensor([[0.3, 0.7], [1 / 3, 2 / 3]]) if of_classes else torch.tensor([[1 / 3], [1e9]])
    written = Predictions(2, torch.tensor([7, 3]), predicted, targets)
    write_validation(tmp_path, written, Names(["no", "yes"], rows=range(100, 110)))
    read = read_validation(tmp_path, fit=2)
    assert (read.fit, read.rows.tolist()) == (2, [107, 103])
    assert torch.equal(read.predicted, predicted)
    assert torch.equal(read.targets, targets)
    with np.load(tmp_path / "predictions_val.npz", allow_pickle=False) as content:
        assert content["classes"].tolist() == (["no", "yes"] if of_classes else [])


def test_many_probabilities_are_kept_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.reporting.predictions._EXACT_VALUES", 3)
    predicted = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    write_validation(tmp_path, Predictions(0, torch.arange(2), predicted, torch.tensor([0, 1])), Names())
    with np.load(tmp_path / "predictions_val.npz") as content:
        assert content["predicted"].dtype == np.float16
    assert read_validation(tmp_path).predicted.dtype == torch.float32


class Runs:
    """What a pickle would run."""

    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("kind", ["text", "pickle", "lengths", "missing"])
def test_an_archive_of_a_stranger_is_refused_and_runs_nothing(kind, tmp_path, capsys):
    file = tmp_path / "predictions_val.npz"
    if kind == "text":
        file.write_text("PK no archive")
    elif kind == "pickle":
        np.savez(file, rows=np.array([Runs()], dtype=object), targets=[0], predicted=[[1.0]])
    elif kind == "lengths":
        np.savez(file, rows=[0, 1], targets=[0], predicted=[[1.0]])
    else:
        np.savez(file, rows=[0])
    with pytest.raises(ValueError, match=r"predictions_val\.npz"):
        read_validation(tmp_path)
    assert capsys.readouterr().out == ""


def test_without_a_file_there_is_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_predictions(tmp_path)
