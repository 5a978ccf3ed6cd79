import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as counted
from sklearn.metrics import precision_recall_fscore_support

from lightune.statistics.classes import class_figures, confusion_matrix, doubtful_labels


@pytest.fixture
def judged():
    """Targets and choices of 200 samples; nobody is of class 3 and nobody is taken for class 4."""
    draw = np.random.default_rng(0)
    targets = draw.choice([0, 1, 2, 4], 200)
    choices = np.where(draw.random(200) < 0.7, np.where(targets == 4, 0, targets), draw.integers(0, 4, 200))
    return targets, choices


def test_confusions_and_figures_are_those_of_scikit_learn(judged):
    confusion = confusion_matrix(*judged, 5)
    assert np.array_equal(confusion, counted(*judged, labels=range(5)))
    wanted = precision_recall_fscore_support(*judged, labels=range(5), zero_division=0)
    for own, theirs in zip(class_figures(confusion), wanted, strict=True):
        assert np.allclose(own, theirs)


def noisy(rows=600, flipped=0.1, seed=0):
    """Probabilities of three classes that know the truth well, and labels of which a share is wrong."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 3, rows)
    logits = draw.normal(0, 1, (rows, 3))
    logits[np.arange(rows), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = draw.random(rows) < flipped
    labels = np.where(wrong, (truth + draw.integers(1, 3, rows)) % 3, truth)
    return probabilities, labels, truth


def test_wrong_labels_are_found_and_the_right_one_is_suggested():
    probabilities, labels, truth = noisy()
    doubts = doubtful_labels(probabilities, labels)
    found, wrong = set(doubts.places.tolist()), set(np.flatnonzero(labels != truth).tolist())
    assert len(found & wrong) > 0.8 * len(wrong)  # recall
    assert len(found & wrong) > 0.9 * len(found)  # precision
    right = doubts.suggested == truth[doubts.places]
    assert right.mean() > 0.9
    assert right[:20].all()  # the most doubtful first


def test_a_class_that_the_network_is_never_sure_of_is_not_doubted_for_that():
    """Its own mean is the threshold (Northcutt et al. 2021), not one half."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    labels = np.array([0, 0, 0, 1, 1])
    assert doubtful_labels(probabilities, labels).places.tolist() == []


def test_a_class_without_a_label_is_suggested_to_nobody():
    doubts = doubtful_labels(np.array([[0.1, 0.0, 0.9], [0.2, 0.8, 0.0]]), np.array([0, 1]))
    assert 2 not in doubts.suggested
