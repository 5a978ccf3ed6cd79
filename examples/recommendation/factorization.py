"""Ratings of films by people, and the matrix factorization that predicts those that are missing."""

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import MeanSquaredError

from lightune.data import InMemoryData, Samples
from lightune.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class Ratings(InMemoryData):
    """Ratings from 1 to 5, made by rule: taste is a product of four numbers a person and four a film, and noise.

    Args:
        users: people, > 0.
        items: films, > 0.
        ratings: how many of the users times items are known, > 0.
        batch_size: ratings a training batch.
    """

    problem = "regression"

    def __init__(
        self,
        users: PositiveInt = 300,
        items: PositiveInt = 200,
        ratings: PositiveInt = 12_000,
        batch_size: int = 256,
    ) -> None:
        super().__init__(batch_size=batch_size, scaling="none", target_scaling="none")
        self.shape, self.ratings = (users, items), ratings

    def load(self) -> Samples:
        """Return pairs of user and item (N, 2) and ratings (N, 1), float32."""
        rule = torch.Generator().manual_seed(0)
        users, items = (torch.randn(size, 6, generator=rule) for size in self.shape)
        taste = users[:, 1:5] @ items[:, 1:5].T / 2 + 0.4 * users[:, :1] + 0.5 * items[:, 0]
        noise = 0.3 * torch.randn(self.shape, generator=rule)
        rated = torch.randperm(taste.numel(), generator=rule)[: self.ratings]
        pairs = torch.stack([rated // self.shape[1], rated % self.shape[1]], dim=1)
        return Samples(pairs.float(), (3.5 + taste + noise).clamp(1, 5).flatten()[rated].unsqueeze(1))


class Factorization(LightningModule):
    """r = μ + b_u + b_i + p_u · q_i, fitted with L2 (Koren, Bell & Volinsky 2009). Without factors, the baseline.

    Args:
        users: as of the data.
        items: as of the data.
        factors: length of p and q; 0 leaves what the mean of a user and that of an item tell.
        lr: learning rate of Adam.
        l2: λ of the squared norms of a batch's rows, a rating.
    """

    def __init__(
        self,
        users: PositiveInt,
        items: PositiveInt,
        factors: NonNegativeInt = 8,
        lr: PositiveFloat = 1e-2,
        l2: NonNegativeFloat = 0.02,
    ) -> None:
        super().__init__()
        self.lr, self.l2 = lr, l2
        self.rmse = nn.ModuleDict({part: MeanSquaredError(squared=False) for part in ("val", "test")})
        self.mean = nn.Parameter(torch.tensor(3.0))
        self.user, self.item = nn.Embedding(users, factors + 1), nn.Embedding(items, factors + 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map pairs of user and item (B, 2) to ratings (B, 1)."""
        user, item = self._rows(pairs)
        product = (user[:, 1:] * item[:, 1:]).sum(dim=1)
        return (self.mean + user[:, 0] + item[:, 0] + product).unsqueeze(1)

    def _rows(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        user, item = pairs.long().unbind(dim=1)
        return self.user(user), self.item(item)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the squared error with its penalty."""
        pairs, ratings = batch
        error = nn.functional.mse_loss(self(pairs), ratings)
        self.log("train/mse", error, on_step=False, on_epoch=True)
        return error + self.l2 * sum(rows.square().sum(dim=1).mean() for rows in self._rows(pairs))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Log the error; return what is predicted."""
        return self._judge(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Do the same for the test part."""
        return self._judge(batch, "test")

    def _judge(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        predicted = self(batch[0])
        self.rmse[part](predicted, batch[1])
        self.log(f"{part}/rmse", self.rmse[part], on_step=False, on_epoch=True)
        return predicted

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Descend with Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)
