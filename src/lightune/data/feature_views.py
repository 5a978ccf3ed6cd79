"""Some augmented views of each training image, as the features that a frozen body gives for them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lightune.augmentation.random_numbers import uniforms
from lightune.data.loader import Batch, TensorLoader
from lightune.data.wrapped import WrappedLoader

__all__ = ["ViewLoader", "view_at"]


def view_at(numbers: Tensor, views: int, *, seed: int, epoch: int) -> Tensor:
    """Return which view (B,) int64 of each sample an epoch has.

    The first epochs have one view after the other, which are those that live augmentation would give; later ones
    draw a view for each sample.

    Args:
        numbers: (B,) int64, of the samples in the training part.
        views: how many there are, > 0.
        seed: of the fit.
        epoch: from 0.
    """
    if epoch < views:
        return torch.full_like(numbers, epoch)
    drawn = uniforms(numbers, ["view"], seed=seed, epoch=epoch)["view"]
    return (drawn * views).long().clamp(max=views - 1)


class ViewLoader(WrappedLoader):
    """Iterate over batches of features, of each sample the view that the epoch has.

    Args:
        order: gives out numbers in the training part in the place of inputs.
        features: (K * n, F), the views of n samples one behind the other.
        views: how many, K > 0.
        seed: of the fit.
        epoch: returns the number of the epoch that begins, from 0.
    """

    def __init__(
        self, order: TensorLoader, features: Tensor, views: int, *, seed: int, epoch: Callable[[], int]
    ) -> None:
        super().__init__(order)
        self._features, self._views, self._seed, self._epoch = features, views, seed, epoch

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self._features[:1].nbytes

    def __iter__(self) -> Iterator[Batch]:
        epoch, samples = self._epoch(), len(self._features) // self._views
        for numbers, targets in self.order:
            view = view_at(numbers, self._views, seed=self._seed, epoch=epoch)
            yield self._features[view * samples + numbers], targets
