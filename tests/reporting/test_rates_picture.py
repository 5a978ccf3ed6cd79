import numpy as np

from lightune.reporting.rates_picture import _corners, rates_pictures


def darkened(picture, rows, columns):
    """Return the share of a part of a picture that is not white."""
    return (picture[rows, columns].min(axis=2) < 200).mean()


def test_a_sound_classifier_goes_along_the_upper_edge_and_one_by_chance_along_the_diagonal():
    targets = np.arange(400) % 2
    sound = np.stack([1.0 - targets, targets], axis=1)
    chance = np.stack([np.linspace(0, 1, 400)] * 2, axis=1)
    upper = slice(30, 150), slice(70, 160)  # left of the diagonal, and above it
    for probabilities, least, most in ((sound, 0.0, 0.001), (chance, 0.0, 0.05)):
        pictures = rates_pictures(probabilities, targets, ["no", "yes"])
        assert set(pictures) == {"roc", "precision_recall"}
        assert least <= darkened(pictures["roc"], *upper) <= most
    edge = slice(15, 18), slice(60, 450)
    diagonal = slice(205, 226), slice(245, 266)  # around (0.5, 0.5)
    assert darkened(rates_pictures(sound, targets, ["no", "yes"])["roc"], *edge) > 0.5
    assert darkened(rates_pictures(chance, targets, ["no", "yes"])["roc"], *diagonal) > 0.05
    assert darkened(rates_pictures(sound, targets, ["no", "yes"])["roc"], *diagonal) < 0.05


def test_many_classes_long_names_and_one_that_nobody_is_of_are_drawn():
    generator = np.random.default_rng(0)
    probabilities, targets = generator.random((50, 12)), generator.integers(0, 11, 50)
    pictures = rates_pictures(probabilities, targets, ["a" * 99, *"bcdefghijk", "nobody"])
    assert {picture.dtype for picture in pictures.values()} == {np.dtype(np.uint8)}
    assert rates_pictures(probabilities, np.zeros(50, dtype=np.int64), list("abcdefghijkl")) == {}


def test_a_line_keeps_its_corners_and_its_ends_alone():
    x = np.array([0, 0, 0.2, 5, 9, 9, 9, 5, 20, 20], dtype=float)
    y = np.array([0, 3, 3.1, 3, 3, 7, 9, 9, 9, 9], dtype=float)
    assert _corners(x, y) == [(0, 0), (0, 3), (9, 3), (9, 9), (5, 9), (20, 9)]
    assert _corners(np.array([1.0]), np.array([2.0])) == [(1, 2)]
    assert _corners(np.array([1.0, 1.2]), np.array([2.0, 2.3])) == [(1, 2)]
