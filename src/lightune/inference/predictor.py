"""A trained run that predicts: from samples in files or in Python to classes, probabilities or values."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.data.profile import Drift
from lightune.inference.file_input import FileInput
from lightune.inference.network import PredictingNetwork, mean_prediction
from lightune.inference.table_input import TableInput, Tally
from lightune.inference.text_input import TextInput
from lightune.wording import counted

__all__ = ["Predictor", "input_of"]

_BATCH = 1024


class Predictor:
    """Predict with the network of a run, or with the mean of the networks of its fits.

    Args:
        networks: one a fit, at least one.
        described: what the checkpoint holds of the samples: `kind`, `num_classes`, `input_shape`, `samples`.
        device: where to compute.
        batch_size: samples at a time, > 0; it is halved where the device's memory is too short.

    Attributes:
        classes: their names in the order of the probabilities; empty for regression.
        values: how many values a sample are predicted; 0 for classes.
        schema: what the samples are: columns, target, …
        kind: of the data: `table`, `image`, `audio`, `text`.
        input_shape: shape of one sample as the network takes it.
        raw_shape: shape of one sample as the data were read.
    """

    def __init__(
        self,
        networks: Sequence[PredictingNetwork],
        described: Mapping[str, Any],
        *,
        device: str | torch.device = "cpu",
        batch_size: int = _BATCH,
    ) -> None:
        self.networks = [network.to(device) for network in networks]
        self.schema: dict[str, Any] = dict(described["samples"])
        count = int(described["num_classes"])
        self.classes: list[str] = list(self.schema.get("classes", map(str, range(count))))
        self.values = int(described["num_targets"])
        self.kind = str(described["kind"])
        self.input_shape = tuple(described["input_shape"])
        self._profile = described.get("profile", [])
        self.batch_size = batch_size
        self._device = torch.device(device)
        self.raw_shape = tuple(map(int, described.get("raw_shape", self.input_shape)))
        self._input = input_of(self.schema)

    def __repr__(self) -> str:
        what = counted(len(self.classes), "class", "classes") if self.classes else counted(self.values, "value")
        return f"<{type(self).__name__} of {self.target}: {what}, networks {len(self.networks)}>"

    @property
    def network(self) -> PredictingNetwork:
        """The network of the first fit, which maps raw samples to predictions."""
        return self.networks[0]

    @property
    def preparation(self) -> torch.nn.Module:
        """What prepares samples for the network of the first fit."""
        return self.network.preparation

    @property
    def target(self) -> str:
        """Name of what is predicted."""
        return str(self.schema.get("target", "target"))

    def predict(self, samples: Any) -> NDArray[Any]:
        """Return the likeliest class (N,) of each sample by its name, or its values (N,) or (N, T).

        Args:
            samples: of a table: a data frame, a mapping from column to values, or an array in the order of the
                columns; texts; paths of pictures or sounds, or what these hold. Else an array or tensor (N, …) as
                the data module read them.

        Raises:
            ValueError: if they are none of these.
        """
        predicted: NDArray[Any] = self._predictions(samples).numpy()
        if self.classes:
            names: NDArray[Any] = np.array(self.classes, dtype=object)
            named: NDArray[Any] = names[predicted.argmax(axis=1)]
            return named
        return predicted[:, 0] if predicted.shape[1] == 1 else predicted

    def predict_proba(self, samples: Any) -> NDArray[np.float32]:
        """Return the probability (N, C) of each class.

        Raises:
            ValueError: if values are predicted, not classes; or as `predict`.
        """
        if not self.classes:
            raise ValueError("the run predicts values, which have no probabilities; call predict")
        return self._predictions(samples).numpy()

    @property
    def counted(self) -> str:
        """What one line of a prediction is of: a `row` of a file, or a `file`."""
        return "row" if self._input is None else self._input.counted

    def read_file(
        self, path: Path, tally: Tally, *, skip_unreadable: bool = False
    ) -> Iterator[tuple[list[str], Tensor]]:
        """Yield the names of samples and these (n, …) as `of_raw` takes them, some at a time.

        Args:
            path: a table; or a picture or sound, or a folder of them.
            tally: is added to.
            skip_unreadable: whether a picture or sound that cannot be decoded is left out, else refused.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it cannot be read as what the run was trained on.
        """
        if self._input is None:
            rule = "belongs to no run that reads files: it was trained on data that name no columns"
            raise ValueError(f"{rule}; predict in Python, lightune.load(RUN).predict(samples)")
        skip = {"skip": skip_unreadable} if isinstance(self._input, FileInput) else {}
        if tally.drift is None and self._profile:
            tally.drift = Drift(self._profile, self.schema, self.preparation)
        for names, raw in self._input.chunks(path, tally, **skip):
            if tally.drift is not None:
                tally.drift.add(raw)
            yield names, raw

    def _predictions(self, samples: Any) -> Tensor:
        as_read = isinstance(samples, np.ndarray | Tensor) and tuple(samples.shape[1:]) == self.raw_shape
        if self._input is not None and not (as_read and isinstance(self._input, FileInput)):
            return self.of_raw(self._input.raw(samples, Tally()))
        raw = samples if isinstance(samples, Tensor) else torch.as_tensor(np.asarray(samples))
        if tuple(raw.shape[1:]) != self.raw_shape:
            wanted = ", ".join(map(str, ("N", *self.raw_shape)))
            raise ValueError(f"samples must have shape ({wanted}), got {tuple(raw.shape)}")
        return self.of_raw(raw.float())

    def of_raw(self, raw: Tensor) -> Tensor:
        """Return predictions (N, K) float32 on the CPU, of samples (N, …) as the data were read."""
        done: list[Tensor] = []
        first = 0
        while first < len(raw):
            try:
                part = raw[first : first + self.batch_size].to(self._device)
                done.append(mean_prediction(self.networks, part).cpu())
                first += self.batch_size
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
        return torch.cat(done) if done else torch.empty(0, len(self.classes) or self.values)


def input_of(schema: Mapping[str, Any]) -> TableInput | TextInput | FileInput | None:
    """Return what reads new samples; None of samples that come from no file."""
    if "columns" in schema:
        return TableInput(schema)
    if "text" in schema:
        return TextInput(schema)
    return FileInput(schema["files"]) if "files" in schema else None
