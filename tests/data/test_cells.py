import gc
import random

import numpy as np
import pytest

from lightune.data import cells as module
from lightune.data.cells import CellCollector, Cells, columns_of

FEW = ["a", " b", "", "b", "NA ", "a"] * 5
MANY = [f"{number} " for number in range(40)] + ["NA", "3 "]


def collected(texts, at_once=4):
    collector = CellCollector(looked_at=24)
    for first in range(0, len(texts), at_once):
        collector.add(texts[first : first + at_once])
    return collector.cells()


@pytest.mark.parametrize("texts", [FEW, MANY, [], FEW + MANY, ["x"]])
def test_cells_are_a_sequence_of_their_texts(texts):
    for cells in (collected(texts), Cells.of(texts), Cells.joined([collected(texts[:12]), collected(texts[12:])])):
        assert list(cells) == texts
        assert len(cells) == len(texts)
        assert cells == texts
        assert cells == tuple(texts)
        assert cells[2:5] == texts[2:5]
        assert all(cells[place] == text for place, text in enumerate(texts))
        assert cells.bare == [text.strip() for text in cells.texts]
    assert collected(texts) != [*texts, "more"]
    assert Cells.of(["a", "b"]) != ["a", "c"]


def test_texts_are_held_once_where_they_repeat():
    assert collected(FEW).texts == ["a", " b", "", "b", "NA "]
    assert collected(MANY).texts == MANY
    assert Cells.of(cells := collected(FEW)) is cells


@pytest.mark.parametrize("texts", [FEW, MANY])
def test_texts_are_judged_without_the_spaces_around_them(texts):
    cells = collected(texts)
    missing = cells.among(["NA", ""])
    assert cells.count(missing) == sum(text.strip() in ("NA", "") for text in texts)
    assert cells.spread(missing).tolist() == [text.strip() in ("NA", "") for text in texts]
    assert set(cells.but(["NA", ""])) == {text.strip() for text in texts} - {"NA", ""}


@pytest.mark.parametrize("texts", [FEW, MANY])
def test_rows_can_be_left_out(texts):
    rows = np.array(random.Random(0).sample(range(len(texts)), 9))
    left = collected(texts).only(rows)
    assert left == [texts[row] for row in rows]
    assert set(left.texts) == set(left)


def test_columns_are_gathered_from_rows(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    rows = list(zip(FEW, MANY, strict=False))
    assert columns_of(iter(rows), 2) == [FEW, MANY[: len(FEW)]]
    assert columns_of([], 2) == [[], []]


@pytest.mark.parametrize("texts", [FEW, MANY])
def test_texts_that_are_dropped_do_not_wait_for_somebody_who_looks_for_garbage(texts):
    gc.collect()
    gc.disable()
    try:
        collected(texts)
        assert gc.collect() == 0
    finally:
        gc.enable()
