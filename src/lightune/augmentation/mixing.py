"""Mixing of training samples with each other: pure functions of (seed, epoch, row) on whole batches."""

import torch
from scipy.special import betaincinv
from torch import Tensor

from lightune.augmentation.random_numbers import uniforms

__all__ = ["Mixing"]

_SHARES = 4096  # that a sample's own share is one of: as many quantiles of its distribution


class Mixing:
    """Mix each sample with a partner; what is left of itself, its share, is one half at least.

    With `mixup` alone a sample x becomes λx + (1 - λ)x'; with `cutmix` alone a box of it, of the share 1 - λ of
    its area, is cut out of x'; with both, one of the two is drawn for each sample. λ is drawn for each sample from
    Beta(alpha, alpha), the larger of λ and 1 - λ.

    Args:
        mixup: alpha of the distribution, >= 0; 0 for none (Zhang et al. 2018, eq. 1).
        cutmix: alpha of the distribution, >= 0; 0 for none (Yun et al. 2019, algorithm A1).
    """

    def __init__(self, mixup: float = 0.0, cutmix: float = 0.0) -> None:
        self.mixup = mixup
        self.cutmix = cutmix
        self._quantiles = {name: _larger_shares(alpha) for name, alpha in self.strengths.items()}

    @property
    def strengths(self) -> dict[str, float]:
        """Those that are not zero."""
        return {name: alpha for name, alpha in (("mixup", self.mixup), ("cutmix", self.cutmix)) if alpha}

    def __call__(
        self, samples: Tensor, partners: Tensor, rows: Tensor, *, seed: int, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Return mixed samples (B, …) and the share (B,) float32, in [0.5, 1], that each has of itself.

        Args:
            samples: (B, …), for `cutmix` (B, C, H, W).
            partners: of the same shape.
            rows: (B,) int64, numbers of the samples, >= 0.
            seed: >= 0.
            epoch: >= 0.
        """
        drawn = uniforms(rows, [*self.strengths, "mixing", "cutmix row", "cutmix column"], seed=seed, epoch=epoch)
        mixed, shares = samples, torch.ones_like(drawn["mixing"])
        if self.cutmix:
            place = drawn["cutmix row"], drawn["cutmix column"]
            mixed, shares = _cut(samples, partners, self._share("cutmix", drawn["cutmix"]), *place)
        if self.mixup:
            share = self._share("mixup", drawn["mixup"])
            blended = partners + (samples - partners) * _over(samples, share)
            if not self.cutmix:
                return blended, share
            chosen = drawn["mixing"] < 0.5
            return torch.where(_over(samples, chosen), blended, mixed), torch.where(chosen, share, shares)
        return mixed, shares

    def _share(self, name: str, uniform: Tensor) -> Tensor:
        return self._quantiles[name].to(uniform.device)[(uniform * _SHARES).long()]


def _larger_shares(alpha: float) -> Tensor:
    """Return evenly spaced quantiles (S,) float32 of the larger of λ and 1 - λ, λ from Beta(alpha, alpha)."""
    places = (torch.arange(_SHARES, dtype=torch.float64) + 0.5) / _SHARES
    quantiles = torch.from_numpy(betaincinv(alpha, alpha, (0.5 + places / 2).numpy()))
    return quantiles.clamp(0.5, 1.0).float()


def _cut(samples: Tensor, partners: Tensor, share: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Put a box of each partner into its sample; what of it lies beyond the edges is left out of the share."""
    height, width = samples.shape[-2:]
    side = (1 - share).sqrt()
    within_rows, rows = _span(side, row, height)
    within_columns, columns = _span(side, column, width)
    box = within_rows[:, None, :, None] & within_columns[:, None, None, :]
    return torch.where(box, partners, samples), 1 - (rows * columns).float() / (height * width)


def _span(side: Tensor, place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return which (B, size) pixels of a side a box covers, and how many (B,)."""
    length, centre = (side * size).long(), (place * size).long()
    first = centre - length // 2
    last = (first + length).clamp(max=size)
    first = first.clamp(min=0)
    pixels = torch.arange(size, device=side.device)
    return (pixels >= first[:, None]) & (pixels < last[:, None]), last - first


def _over(samples: Tensor, numbers: Tensor) -> Tensor:
    """Return numbers (B,) in a shape that is broadcast over samples (B, …)."""
    shaped = numbers.view(-1, *[1] * (samples.ndim - 1))
    return shaped if numbers.dtype == torch.bool else shaped.to(samples.dtype)
