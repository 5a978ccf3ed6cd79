import torch

from lightune.data.own_tokens import OwnTokens
from lightune.data.preparation import preparation_from

RAW = torch.tensor([[5, 6, 7], [5, -1, -1], [-1, -1, -1], [-2, 9, -1]], dtype=torch.int32)


def test_texts_stand_between_the_tokens_of_the_network():
    made = OwnTokens([2], [3, 4], padding=0, unknown=1, vocabulary=10)
    assert made.added == 3
    assert made(RAW).tolist() == [
        [2, 5, 6, 7, 3, 4],
        [2, 5, 3, 4, 0, 0],
        [2, 3, 4, 0, 0, 0],
        [2, 1, 9, 3, 4, 0],
    ]
    assert made(RAW).dtype == torch.int64


def test_nothing_may_stand_around_them():
    made = OwnTokens([], [], padding=8, unknown=1, vocabulary=10)
    assert made(RAW).tolist() == [[5, 6, 7], [5, 8, 8], [8, 8, 8], [1, 9, 8]]


def test_it_is_kept_as_plain_values():
    made = OwnTokens([2], [3], padding=0, unknown=1, vocabulary=10)
    again = preparation_from(made.plain())
    assert torch.equal(again(RAW), made(RAW))
    assert again.plain() == made.plain()
    assert again.vocabulary == 10
