import csv

import pytest
import torch

from lightune.reporting.errors import confusion_of, write_classes, write_errors, write_mislabelled
from lightune.reporting.predictions import Names, Predictions

NAMES = Names(["cat", "dog"], rows=[10, 11, 12, 13], files=["a.png", "b.png", "c.png", "d.png"])
ONE = Predictions(0, torch.arange(4), torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]]),
                  torch.tensor([0, 1, 1, 0]))  # fmt: skip
OTHER = Predictions(1, torch.arange(4), torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]),
                    torch.tensor([0, 1, 1, 0]))  # fmt: skip


def read(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_figures_of_classes_are_means_over_fits(tmp_path):
    write_classes(tmp_path, "val", [ONE, OTHER], NAMES)
    cat, dog = read(tmp_path / "classes_val.csv")
    assert (cat["class"], dog["class"]) == ("cat", "dog")
    assert float(cat["recall"]) == 0.5
    assert float(dog["recall"]) == pytest.approx((0.5 + 1) / 2)
    assert cat["support"] == dog["support"] == "2"


def test_mistakes_are_named_the_most_confident_first(tmp_path):
    write_errors(tmp_path, "test", [ONE], NAMES)
    mistakes = read(tmp_path / "mistakes_test.csv")
    assert [(each["row"], each["file"]) for each in mistakes] == [("11", "b.png"), ("13", "d.png")]
    assert mistakes[0] == {
        "row": "11", "file": "b.png", "target": "dog", "predicted": "cat", "probability": "0.8", "p_target": "0.2",
    }  # fmt: skip
    assert read(tmp_path / "confusion_test.csv") == [
        {"target": "cat", "cat": "1", "dog": "1"},
        {"target": "dog", "cat": "1", "dog": "1"},
    ]


def test_several_fits_are_mistaken_together(tmp_path):
    write_errors(tmp_path, "test", [ONE, OTHER, OTHER], NAMES)
    assert [each["row"] for each in read(tmp_path / "mistakes_test.csv")] == ["13", "11"]
    assert confusion_of([ONE, OTHER]).tolist() == [[2, 2], [1, 3]]


def test_values_have_their_largest_differences(tmp_path):
    values = Predictions(
        0, torch.arange(3), torch.tensor([[1.0], [9.0], [4.0]]), torch.tensor([[1.5], [1.0], [2.0]])
    )
    write_errors(tmp_path, "test", [values], Names())
    mistakes = read(tmp_path / "mistakes_test.csv")
    assert [each["row"] for each in mistakes] == ["1", "2", "0"]
    assert mistakes[0] == {"row": "1", "target_0": "1", "predicted_0": "9"}
    assert [file.name for file in tmp_path.iterdir()] == ["mistakes_test.csv"]


def test_labels_are_doubted_by_the_mean_of_what_judges_a_row(tmp_path):
    sure = [[0.95, 0.05]] * 4 + [[0.05, 0.95]] * 4
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    fits = [
        Predictions(0, torch.arange(8), torch.tensor(sure), labels),
        Predictions(1, torch.tensor([7]), torch.tensor([[1.0, 0.0]]), labels[7:]),
    ]
    names = Names(["no", "yes"], rows=range(100, 108))
    assert write_mislabelled(tmp_path, fits, names) == 1
    assert read(tmp_path / "mislabelled.csv") == [
        {"row": "103", "label": "yes", "suggested": "no", "p_label": "0.05", "p_suggested": "0.95"}
    ]
