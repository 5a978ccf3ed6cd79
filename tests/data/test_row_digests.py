import numpy as np
import pytest
import torch

from lightune.data.row_digests import contradictions, copies_of, handle_copies, row_digests


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(3,), (100,), (2, 5, 5)])
def test_equal_rows_have_equal_digests_and_others_have_others(dtype, shape):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 250, (50, *shape), generator=generator).to(dtype)
    rows[7], rows[31] = rows[3], rows[3]
    digests = row_digests(rows)
    assert len(np.unique(digests)) == 48
    assert digests[3] == digests[7] == digests[31]
    assert np.array_equal(digests[10:20], row_digests(rows[10:20]))


def test_the_order_of_columns_counts():
    first, second = row_digests(torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64))
    assert first != second


def test_missing_values_are_equal():
    rows = torch.tensor([[1.0, torch.nan], [1.0, torch.nan]], dtype=torch.float64)
    assert copies_of(row_digests(rows))[1] == 1


def test_sets_of_copies_are_numbered():
    copies, repeated = copies_of(np.array([5, 9, 5, 5, 1], dtype=np.uint64))
    assert repeated == 2
    assert copies[0] == copies[2] == copies[3]
    assert len(set(copies.tolist())) == 3


def test_copies_are_kept_together_dropped_or_divided_like_others():
    rows = torch.tensor([[3.0], [1.0], [3.0], [3.0], [2.0]])
    keep, copies, ((_, remark),) = handle_copies(rows, "together")
    assert keep.tolist() == [0, 1, 2, 3, 4]
    assert copies is not None
    assert copies[0] == copies[2] == copies[3]
    assert remark == "2 rows repeat the inputs of another: each stays on one side of a split with its like"
    keep, copies, ((_, remark),) = handle_copies(rows[:3], "drop", counted="file")
    assert (keep.tolist(), copies) == ([0, 1], None)
    assert remark == "1 file repeats the inputs of another: the first of them is kept"
    keep, copies, ((_, remark),) = handle_copies(rows, "keep")
    assert (keep.tolist(), copies, remark[:6]) == ([0, 1, 2, 3, 4], None, "2 rows")
    assert handle_copies(rows[:2], "together")[1:] == (None, [])


def test_equal_rows_of_different_classes_are_asked_about():
    copies, labels = np.array([0, 1, 0, 1, 2, 0]), np.array([4, 5, 4, 6, 5, 7])
    assert contradictions(copies, labels) == [(0, 5), (1, 3)]
    assert contradictions(copies, copies) == []
    rows = torch.tensor([[1.0], [2.0], [1.0], [2.0], [1.0]])
    for duplicates in ("together", "keep", "drop"):
        how = {"counted": "text", "labels": np.array([0, 1, 0, 1, 1]), "called": lambda place: f"row {place}"}
        (_, (subject, remark)) = handle_copies(rows, duplicates, **how)[2]
        assert subject == "question"
        assert remark.startswith(
            "1 set of texts with equal inputs is of different classes, such as row 0 and row 4: "
        )
