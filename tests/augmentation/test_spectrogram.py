import pytest
import torch

from lightune.augmentation.spectrogram import masked, most, shifted

NUMBERS = torch.tensor([0.0, 0.49, 0.999])


def sounds():
    return torch.rand(3, 1, 10, 20, generator=torch.Generator().manual_seed(0)) + 1


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.01, 1), (0.1, 2), (0.25, 5), (1.0, 20)])
def test_a_share_is_at_least_one_if_there_is_one(share, expected):
    assert most(share, 20) == expected


def test_sounds_are_shifted_either_way_and_silence_comes_in():
    x = sounds()
    early, middle, late = shifted(x, NUMBERS, 0.2, -7.0)
    assert torch.equal(early[..., :-4], x[0][..., 4:])
    assert (early[..., -4:] == -7).all()
    assert torch.equal(middle, x[1])
    assert torch.equal(late[..., 4:], x[2][..., :-4])
    assert (late[..., :4] == -7).all()


@pytest.mark.parametrize(("dimension", "size", "widest"), [(3, 20, 6), (2, 10, 3)])
def test_a_span_of_frames_or_bands_is_hidden(dimension, size, widest):
    widths, starts = torch.rand(300), torch.rand(300)
    made = masked(torch.ones(300, 1, 10, 20), widths, starts, 0.3, 0.25, dimension=dimension)
    hidden = (made == 0.25).all(dim=5 - dimension).squeeze(1)  # of all bands, or all frames
    assert torch.equal(hidden.sum(1), (widths * (widest + 1)).long())
    assert torch.equal(made == 0.25, (hidden.unsqueeze(1).unsqueeze(5 - dimension)).expand_as(made))
    assert set(hidden.sum(1).tolist()) == set(range(widest + 1))
    spans = (hidden[:, 1:] != hidden[:, :-1]).sum(1) + hidden[:, 0].int() + hidden[:, -1].int()
    assert set(spans.tolist()) <= {0, 2}  # one piece
    assert hidden[:, 0].any()
    assert hidden[:, size - 1].any()


def test_without_width_nothing_is_hidden():
    x = sounds()
    assert torch.equal(masked(x, torch.zeros(3), NUMBERS, 0.3, 0.0, dimension=3), x)
