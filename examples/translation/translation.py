"""Dates in words and what they are in digits, and an encoder and a decoder with attention that translate them."""

import datetime
import random

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from lightune.data import InMemoryData, Samples
from lightune.ranges import PositiveFloat, PositiveInt

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
ONES += ["twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ODD = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
       "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}  # fmt: skip
MONTHS = [f"{datetime.date(2000, month, 1):%B}".lower() for month in range(1, 13)]
WORDS = ["", *ONES, *TENS, *ODD.values(), *(f"{word}th" for word in ONES if word not in ODD), *MONTHS,
         "hundred", "thousand", "the", "of", "and", "on"]  # fmt: skip
LONGEST, DIGITS, START = 10, 8, 10  # words of a phrase; digits of a date; the token before the first digit


def number(value: int) -> list[str]:
    """Return a number below 100 in words."""
    return [ONES[value]] if value < 20 else [TENS[value // 10 - 2], *([ONES[value % 10]] if value % 10 else [])]


def phrase(day: datetime.date, chance: random.Random) -> list[str]:
    """Return a date in words, in one of several ways."""
    *tens, last = number(day.day)
    ordinal, month, century = [*tens, ODD.get(last, f"{last}th")], MONTHS[day.month - 1], day.year // 100
    year = [*number(century), *(number(day.year % 100) if day.year % 100 else ["hundred"])]
    if century == 20 and day.year % 100 < 20:
        year = ["two", "thousand", *(["and", *number(day.year % 100)] if day.year % 100 else [])]
    ways = [["the", *ordinal, "of", month, *year], [month, *ordinal, *year], ["on", month, "the", *ordinal, *year],
            [*year, month, *number(day.day)], [*number(day.day), month, *year]]  # fmt: skip
    return chance.choice(ways)


class Dates(InMemoryData):
    """Dates from 1900 to 2099 in words, and as eight digits.

    Args:
        phrases: how many, > 0.
        batch_size: phrases a training batch.
    """

    kind = "text"
    problem = "regression"

    def __init__(self, phrases: PositiveInt = 4000, batch_size: int = 128) -> None:
        super().__init__(batch_size=batch_size, scaling="none", target_scaling="none")
        self.phrases = phrases

    def load(self) -> Samples:
        """Return numbers of words (N, 10), 0 behind the last, and digits (N, 8), float32."""
        chance, place = random.Random(0), {word: index for index, word in enumerate(WORDS)}
        days = [datetime.date.fromordinal(693596 + chance.randrange(73049)) for _ in range(self.phrases)]
        said = [[place[word] for word in phrase(day, chance)] for day in days]
        digits = [[int(digit) for digit in f"{day:%Y%m%d}"] for day in days]
        padded = [[*line, *[0] * (LONGEST - len(line))] for line in said]
        return Samples(torch.tensor(padded).float(), torch.tensor(digits).float())


class Translator(LightningModule):
    """A recurrent encoder, and a decoder that attends to its outputs (Bahdanau et al. 2015).

    Args:
        units: width of both, > 0.
        attention: whether the decoder attends; else it has the encoder's last state alone.
        lr: learning rate of Adam.
    """

    def __init__(self, units: PositiveInt = 64, attention: bool = True, lr: PositiveFloat = 3e-3) -> None:
        super().__init__()
        self.attention, self.lr = attention, lr
        self.words, self.digits = nn.Embedding(len(WORDS), units, padding_idx=0), nn.Embedding(START + 1, units)
        self.encoder = nn.GRU(units, units // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRUCell(2 * units, units)
        self.query, self.key = nn.Linear(units, units), nn.Linear(units, units)
        self.score, self.output = nn.Linear(units, 1), nn.Linear(2 * units, 10)

    def forward(self, phrases: Tensor, known: Tensor | None = None) -> Tensor:
        """Map words (B, 10) to scores of digits (B, 8, 10); the decoder is shown known digits (B, 8)."""
        states, last = self.encoder(self.words(words := phrases.long()))
        state, shown = torch.cat(list(last), dim=1), words.new_full((len(words),), START)
        keys, blank, scores = self.key(states), (words == 0).unsqueeze(2), []
        for step in range(DIGITS):
            weights = self.score(torch.tanh(keys + self.query(state).unsqueeze(1))).masked_fill(blank, -torch.inf)
            seen = (weights.softmax(dim=1) * states).sum(dim=1) * self.attention
            state = self.decoder(torch.cat([self.digits(shown), seen], dim=1), state)
            scores.append(self.output(torch.cat([state, seen], dim=1)))
            shown = scores[-1].argmax(dim=1) if known is None else known[:, step]
        return torch.stack(scores, dim=1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the cross-entropy of the digits."""
        digits = batch[1].long()
        loss = nn.functional.cross_entropy(self(batch[0], digits).flatten(0, 1), digits.flatten())
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Log the share of dates whose digits are all right; return the digits."""
        return self._judge(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Do the same for the test part."""
        return self._judge(batch, "test")

    def _judge(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        digits = self(batch[0]).argmax(dim=2)
        right = (digits == batch[1]).all(dim=1).float()
        self.log(f"{part}/exact_match", right.mean(), on_step=False, on_epoch=True, batch_size=len(digits))
        return digits.float()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Descend with Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)
