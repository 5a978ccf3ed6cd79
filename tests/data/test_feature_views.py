import torch

from lightune.data.feature_views import ViewLoader, view_at
from lightune.data.loader import TensorLoader

NUMBERS = torch.arange(2000)


def test_the_first_epochs_have_one_view_after_the_other():
    for epoch in range(3):
        assert view_at(NUMBERS, 3, seed=0, epoch=epoch).unique().tolist() == [epoch]


def test_later_epochs_draw_a_view_for_each_sample():
    drawn = [view_at(NUMBERS, 4, seed=0, epoch=epoch) for epoch in (4, 5)]
    for each in drawn:
        counts = torch.bincount(each, minlength=4)
        assert len(counts) == 4
        assert (counts > 400).all()
    assert not torch.equal(*drawn)
    assert torch.equal(view_at(NUMBERS[500:510], 4, seed=0, epoch=4), drawn[0][500:510])  # whatever its batch is
    assert not torch.equal(view_at(NUMBERS, 4, seed=1, epoch=4), drawn[0])


def test_batches_have_the_features_of_the_view_of_the_epoch():
    now = [0]
    features = torch.stack([torch.arange(10) + 100.0 * view for view in range(3)]).view(30, 1)
    order = TensorLoader(
        torch.arange(10), torch.arange(10), batch_size=4, shuffle=True, seed=1, epoch=lambda: now[0]
    )
    loader = ViewLoader(order, features, 3, seed=1, epoch=lambda: now[0])
    assert (len(loader), loader.batch_size, loader.sample_bytes) == (3, 4, 4)
    for now[0] in range(3):
        served = [(x, target) for x, target in loader]
        assert torch.cat([target for _, target in served]).sort().values.tolist() == list(range(10))
        assert all(torch.equal(x[:, 0], target + 100.0 * now[0]) for x, target in served)
    now[0] = 7
    views = torch.cat([(x[:, 0] - target) / 100 for x, target in loader])
    assert len(views.unique()) > 1
