"""Data that fit in memory: loaded once, divided, scaled, and served by index."""

import copy
import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor, nn

from lightune.augmentation import Augmentation, Mixing, ValueRange
from lightune.data.augmented import AugmentedLoader, RawLoader, Variation
from lightune.data.feature_views import ViewLoader
from lightune.data.frozen_features import FrozenFeatures, store
from lightune.data.leaks import crossing_groups
from lightune.data.loader import TensorLoader, batches_of
from lightune.data.mixed import MixedLoader
from lightune.data.placement import Placement, place
from lightune.data.profile import is_profiled, profile_of
from lightune.data.samples import Samples, sound
from lightune.data.scaling import Affine, ImageScaling, Scaling, fit_scaling, scaling_of_weights
from lightune.data.stream import StreamLoader
from lightune.data.transfer import CopyAside, Prefetched
from lightune.ranges import NonNegativeInt, Range
from lightune.schedules import Growth, rate_left
from lightune.validation import Indices, Rows, Split
from lightune.wording import counted

Loader = TensorLoader | StreamLoader | Prefetched | AugmentedLoader | MixedLoader | ViewLoader
BatchSize = Annotated[int, Range(gt=0)] | Literal["full"]

SCHEMA = 1
"""Version of what `described` returns."""

_BYTES_AT_ONCE = 2**22  # copied for a digest
JUDGING_BATCH = 1024  # without gradients a larger batch costs little memory and saves time
_JUDGED_AT_ONCE = 2**22  # numbers of samples


class InMemoryData(LightningDataModule):
    """Base of data sets that are held in memory: a subclass says how they are read.

    Args:
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how inputs are scaled, with statistics of the training part only; `weights`: images as the
            network's weights want them, which others have trained.
        target_scaling: how the targets of regression are scaled; losses see scaled targets, metrics the real ones.
        placement: where samples lie: `device`, all of them scaled where they are computed on; `host`, the same in
            main memory; `stream`, as they were read, and workers scale them batch by batch; `auto`, the first of
            these that half of the free memory holds.
        num_workers: processes that prepare batches of a stream, >= 0.
        root: folder of data files, so that a machine can name it once for all data; some sets read none.
    """

    kind = "table"
    problem = "classification"
    raw_dtype = torch.float32  # in which the preparation is given samples

    def __init__(
        self,
        batch_size: BatchSize = 64,
        scaling: ImageScaling = "standard",
        target_scaling: Scaling = "standard",
        root: str = "data",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
    ) -> None:
        super().__init__()
        self.root = root
        self.batch_size = batch_size
        self.scaling = scaling
        self.target_scaling = target_scaling
        self.placement = placement
        self.num_workers = num_workers
        self.target_scaler: Affine | None = None
        self.steps_per_execution = 1  # minibatches that a training step is given at once
        self._samples: Samples | None = None
        self._split: Split | None = None
        self._fingerprint: tuple[Samples, str] | None = None  # of these samples
        self._digests: dict[str, tuple[int, str]] | None = None  # of the parts
        self._parts: dict[str, tuple[Tensor, Tensor]] = {}  # rows, targets
        self._scaled: dict[str, Tensor] = {}
        self._scales_late = False
        self._preparation: nn.Module | None = None
        self._augmentation: Augmentation | None = None
        self._variation: Variation | None = None
        self._growth: Growth | None = None
        self._statistics: tuple[Sequence[float], Sequence[float]] | None = None  # that weights want
        self._features: tuple[Path, Tensor] | None = None  # where they are kept; (N, F) of all samples
        self._views: tuple[Path, Tensor, int] | None = (
            None  # the same of augmented training samples; how many of each
        )
        self._mixing: Mixing | None = None
        self.is_streamed = False
        self._seed = 0
        self._training: Loader | None = None
        self._position: dict[str, int] | None = None
        self._streams: dict[str, StreamLoader] = {}  # by part

    @abstractmethod
    def load(self) -> Samples:
        """Read the samples.

        Raises:
            FileNotFoundError: if a file is missing; the message says where it is looked for and what to do.
        """

    @property
    def samples(self) -> Samples:
        """All samples as read; they are read once, and judged then.

        Raises:
            ValueError: if they are not sound; the message names rows and columns.
        """
        if self._samples is None:
            self._samples = sound(self.load())
        return self._samples

    def read(self, samples: Samples) -> None:
        """Take samples that were read before; they are shared and not changed.

        Args:
            samples: what `load` would return.
        """
        self._samples = samples

    def undivided(self) -> Self:
        """Return the same data, to be divided in another way; the samples are shared, and scaled when needed."""
        other = copy.copy(self)
        other._parts, other._scaled, other._scales_late = {}, {}, True
        other._split = other._preparation = other._variation = other.target_scaler = None
        other._training = other._position = other._digests = other.trainer = None
        other._features = other._views = None
        other._streams = {}
        return other

    def augment(self, augmentation: Augmentation) -> None:
        """Set how training samples are varied, from the next division on; all others are served as they are.

        Args:
            augmentation: the strengths; with all of them zero samples are served as without.

        Raises:
            ValueError: if samples of this kind cannot be varied so.
        """
        if unfit := augmentation.unfit_for(self.kind):
            raise ValueError(f"{', '.join(unfit)} cannot vary {type(self).__name__} (kind {self.kind})")
        self._augmentation = augmentation if augmentation.strengths else None

    def grow(self, schedule: Growth) -> None:
        """Let batches of training samples change their size from epoch to epoch.

        Args:
            schedule: how; one that leaves the batch size changes nothing.
        """
        self._growth = None if schedule.batch_growth == 1 else schedule

    def mix(self, mixing: Mixing) -> None:
        """Set how training samples are mixed with each other.

        Args:
            mixing: the strengths; with all of them zero samples are served as without.

        Raises:
            ValueError: if samples of this kind cannot be mixed so.
        """
        named = ", ".join(mixing.strengths)
        if named and self.kind == "text":
            raise ValueError(f"{named}: numbers of tokens have no mixtures")
        if mixing.cutmix and len(self.input_shape) != 3:
            raise ValueError(f"cutmix cuts boxes out of images, and {type(self).__name__} is a {self.kind}")
        self._mixing = mixing if named else None

    @property
    def mixing(self) -> Mixing | None:
        """How training samples are mixed with each other; None if they are not."""
        return self._mixing

    @property
    def growth(self) -> Growth | None:
        """How the size of training batches changes from epoch to epoch; None if it does not."""
        return self._growth

    def batch_size_at(self, epoch: int) -> int:
        """Return how many samples a training batch of an epoch has, in one process.

        Where the size follows the learning rate, it is that of the epoch under way.
        """
        samples = self.sizes["train"]
        size = samples if self.batch_size == "full" else self.batch_size
        if self._growth is None:
            return size
        rate = rate_left(self.trainer.optimizers) if self.trainer is not None else 1.0
        return self._growth.batch_size(size, samples, epoch, rate)

    def batches_at(self, epoch: int, processes: int = 1) -> int:
        """Return how many training batches an epoch has, from 0, where some processes share each."""
        return batches_of(self.sizes["train"], self.batch_size_at(epoch), processes)[0]

    def scale_as(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Set what `scaling=weights` scales images by.

        Args:
            mean: of each channel, of values in [0, 1].
            deviation: likewise.
        """
        self._statistics = mean, deviation

    def scale_late(self) -> None:
        """Scale no part before it is asked for."""
        self._scales_late = True

    def compute_once(self, features: FrozenFeatures, views: int = 0) -> None:
        """Serve what a frozen body gives for the samples in their place, until they are divided again.

        Args:
            features: computes it, or finds it.
            views: of how many augmented views of each training sample, too; 0 for none.
        """
        file = features.file_for(self.fingerprint(), self.preparation)
        if self._features is None or self._features[0] != file:
            self._scaled, self.is_streamed = {}, False
            self._features = file, features.of(self.samples.inputs, file, self.preparation, self.raw_dtype)
        if views and self._variation is not None:
            rows = self._parts["train"][0]
            varied = features.file_of_views(file, self._variation, rows, views)
            if self._views is None or self._views[0] != varied:
                found = features.of_views(self.samples.inputs, varied, self._variation, rows, views)
                self._views = varied, found, views

    @property
    def features(self) -> Tensor | None:
        """What a frozen body gives for all samples (N, F), if that is served in their place."""
        return None if self._features is None else self._features[1]

    @property
    def views(self) -> int:
        """Of how many augmented views of each training sample features are served; 0 for none."""
        return 0 if self._views is None else self._views[2]

    @property
    def variation(self) -> Variation | None:
        """How training samples are varied, once the data are divided; None if they are served as they are."""
        return self._variation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) or (F,)."""
        return tuple(self.samples.inputs.shape[1:])

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Numbers of codes of the categories that stand last in an input, for a network that embeds them."""
        return ()

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return self.samples.num_classes

    @property
    def class_counts(self) -> list[int]:
        """Number of training samples of each class, once the data are divided; empty for regression."""
        if not self.num_classes:
            return []
        return torch.bincount(self._parts["train"][1], minlength=self.num_classes).tolist()

    @property
    def num_targets(self) -> int:
        """Number of values to predict; 0 for classification."""
        return 0 if self.num_classes else self.samples.targets.shape[1]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of samples in each part: `train`, `val`, `test`."""
        return {part: len(targets) for part, (_, targets) in self._parts.items()}

    @property
    def rows(self) -> Rows:
        """What a division needs to know of the samples."""
        samples = self.samples
        labels = samples.targets.numpy() if samples.num_classes else None
        official = samples.official_test, samples.groups, samples.official_val
        names = samples.schema.get("classes", ())
        return Rows(len(samples.targets), labels, *official, samples.copies, samples.times, names)

    def rows_of(self, part: Literal["train", "val", "test"]) -> Indices:
        """Return the numbers of the samples of a part, in the order in which it is served."""
        assert self._split is not None, "divide comes first"
        rows: Indices = getattr(self._split, part)
        return rows

    def divide(self, split: Split, *, seed: int) -> None:
        """Set a division: fit the preparation on its training part and prepare every part with it.

        Args:
            split: which rows serve for what.
            seed: of the order of training batches.
        """
        self._seed, self._split = seed, split
        self._training = self._position = self._digests = self._features = self._views = None
        inputs, targets = self.samples.inputs, self.samples.targets
        train = torch.from_numpy(split.train)
        self.is_streamed = place(self.placement, self._scaled_bytes, torch.device("cpu"))[0] == "stream"
        only_scaled = type(self).fit_preparation is InMemoryData.fit_preparation
        if self.is_streamed and only_scaled:  # without a copy
            self._preparation = self._fit_scaling(inputs, train)
        else:
            self._preparation = self.fit_preparation_at(inputs, train)
        self._variation = None if self._augmentation is None else self._varied(self._augmentation, inputs, train)
        if not self.num_classes:
            self.target_scaler = fit_scaling(targets[train], self.target_scaling)
        for part in ("train", "val", "test"):
            rows = torch.from_numpy(getattr(split, part))
            self._parts[part] = rows, targets[rows]
        self._scaled = {}
        if not (self.is_streamed or self._scales_late):
            for part in self._parts:
                if part != "train" or self._variation is None:
                    self.scaled(part)

    def fit_preparation(self, raw: Tensor) -> nn.Module:
        """Return a preparation that has learnt from training samples; see `lightune.data.preparation`.

        Args:
            raw: (N, …) as they were read.
        """
        return self._fit_scaling(raw if self.is_streamed else raw.float())

    def fit_preparation_at(self, inputs: Tensor, rows: Tensor) -> nn.Module:
        """Return the same of some of all samples.

        Args:
            inputs: (N, …) as they were read.
            rows: (n,) places of the training samples.
        """
        return self.fit_preparation(inputs[rows])

    def _fit_scaling(self, raw: Tensor, rows: Tensor | None = None) -> Affine:
        if self.scaling != "weights":
            return fit_scaling(raw, self.scaling, rows=rows)
        if self._statistics is None:
            raise ValueError("scaling=weights is for a network with weights that others have trained")
        whole = self.samples.inputs
        ends = (
            (0.0, 255.0)
            if whole.dtype == torch.uint8
            else map(float, (raw if rows is None else raw[rows]).aminmax())
        )
        low, high = ends
        return scaling_of_weights((low, high), *self._statistics, channels=whole.shape[1])

    @property
    def preparation(self) -> nn.Module:
        """What stands between samples as read and the network; it is known once the data are divided."""
        assert self._preparation is not None, "divide comes first"
        return self._preparation

    @property
    def scaler(self) -> Affine | None:
        """The preparation where it only shifts and scales; None where it does more."""
        return self.preparation if isinstance(self.preparation, Affine) else None

    def scaled(self, part: str) -> Tensor:
        """Return the prepared inputs (n, …) float32 of a part; they are kept."""
        if part not in self._scaled:
            rows = self._parts[part][0]
            if self._features is not None:
                self._scaled[part] = self._features[1][rows]
                return self._scaled[part]
            self._scaled[part] = self._prepared(rows)
        return self._scaled[part]

    def _prepared(self, rows: Tensor) -> Tensor:
        """Return prepared samples; of those in a file some are made at a time."""
        inputs = self.samples.inputs
        at_once = (
            max(1, _BYTES_AT_ONCE // max(1, inputs[:1].nbytes)) if self.samples.in_file else max(1, len(rows))
        )
        if len(rows) <= at_once:
            return self.preparation(inputs[rows].to(self.raw_dtype))  # type: ignore[no-any-return]
        made: Tensor | None = None
        for first, some in zip(range(0, len(rows), at_once), torch.split(rows, at_once), strict=True):
            part = self.preparation(inputs[some].to(self.raw_dtype))
            made = part.new_empty((len(rows), *part.shape[1:])) if made is None else made
            made[first : first + len(part)] = part
        assert made is not None
        return made

    def described(self) -> dict[str, Any]:
        """Return what predictions of new samples need beside the weights: plain values, for a checkpoint."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "problem": self.problem,
            "raw_shape": list(self.samples.inputs.shape[1:]),
            "input_shape": list(self.input_shape),
            "cardinalities": list(self.cardinalities),
            "num_classes": self.num_classes,
            "num_targets": self.num_targets,
            "preparation": self.preparation.plain(),  # type: ignore[operator]
            "samples": dict(self.samples.schema),
            "profile": self.profile(),
        }

    def profile(self) -> list[dict[str, Any]]:
        """Return what the training part looks like, to compare an input with; see `profile_of`.

        Of texts it is the validation part, if there is one: training knows the tokens that it was learnt from.
        """
        schema = self.samples.schema
        if not is_profiled(schema):
            return []
        part = "val" if "text" in schema and self.sizes["val"] else "train"
        return profile_of(schema, self.samples.inputs, self.preparation, self._parts[part][0])

    def questions(self) -> list[tuple[str, str]]:
        """Return what a person should be asked of the divided data, one (subject, remark) a line."""
        rows = {part: rows.numpy() for part, (rows, _) in self._parts.items()}
        return [
            ("question", f"{_groups(count)} of {name} in several parts: {_advice(self.samples, name)}")
            for name, count in crossing_groups(self.samples.groups, rows)
        ]

    def settled(self) -> None:
        """Do what waits until nothing can be refused any more: a run's folder is there."""
        for kept in (self._features, self._views):
            if kept is not None and kept[0].is_absolute():
                store(*kept[:2])

    def release(self) -> None:
        """Keep no scaled inputs that can be had again, where many divisions of the same samples are at work."""
        if self._scales_late:
            self._scaled, self._training = {}, None

    def close_streams(self) -> None:
        """End the processes that prepare batches, once nothing is trained or measured on them any more."""
        while self._streams:
            self._streams.popitem()[1].close()

    def placed(self, device: torch.device) -> tuple[Placement, str]:
        """Return where the samples lie for computing on a device, and why."""
        where, why = place(self.placement, self._scaled_bytes, device)
        if self.is_streamed != (where == "stream"):  # memory was decided on when the samples were divided
            where = "stream" if self.is_streamed else "host"
        return where, why

    def whereabouts(self, device: torch.device) -> str:
        """Return in one line how many samples there are, of what shape and size, and where they lie.

        Args:
            device: where they are computed on.
        """
        samples, (where, _) = self.samples, self.placed(device)
        shape = "x".join(map(str, samples.inputs.shape[1:]))
        read = f"{_size(samples.inputs.nbytes)} as read, {'in a file' if samples.in_file else 'in memory'}"
        prepared = f"{_size(self._scaled_bytes)} prepared"
        if where == "stream":
            return f"{len(samples.inputs):,} of {shape}: {read}; {prepared}, batch by batch (a stream)"
        home = "in memory" if where == "host" or device.type == "cpu" else f"on {device}"
        return f"{len(samples.inputs):,} of {shape}: {read}; {prepared}, {home}"

    def train_dataloader(self) -> Loader:
        """Return batches of the training part, in a new order each epoch."""
        self._training = self._loader(
            "train",
            batch_size=self.batch_size_at(self.trainer.current_epoch if self.trainer else 0),
            shuffle=not getattr(self.trainer, "overfit_batches", 0),
            steps=self.steps_per_execution,
            learnt=True,
        )
        if self._position is not None:
            self._training.load_state_dict(self._position)
        return self._training

    @property
    def batches_given(self) -> int:
        """Number of batches of the epoch under way that were given out for training."""
        return 0 if self._training is None else self._training.state_dict()["batches"]

    @property
    def batches_then(self) -> int:
        """Number of training batches in the epoch that a checkpoint was written in, once it is loaded."""
        return (self._position or {}).get("of") or self.batches_at(0)

    def state_dict(self) -> dict[str, Any]:
        """Return how far the training part has been given out, and how many batches the epoch under way has.

        Lightning keeps a loader's own state too, but forgets to restore it where a schedule asked for its length.
        """
        if self._training is None:
            return {}
        return {"position": {**self._training.state_dict(), "of": self._training.batches}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume in the epoch, and at the batch, that a checkpoint was written in."""
        self._position = state_dict.get("position")

    def val_dataloader(self) -> Loader:
        """Return batches of the validation part, as they lie."""
        return self.evaluation_dataloader("val")

    def test_dataloader(self) -> Loader:
        """Return batches of the test part, as they lie."""
        return self.evaluation_dataloader("test")

    def evaluation_dataloader(self, part: Literal["train", "val", "test"]) -> Loader:
        """Return large batches of a part, as they lie: to measure, not to learn."""
        return self._loader(part, batch_size=self.judging_batch)

    def fingerprint(self) -> str:
        """Return a digest of every input and target as read: the same data give the same digest anywhere."""
        if self._fingerprint is None or self._fingerprint[0] is not self.samples:
            self._fingerprint = self.samples, _digest(self.samples.inputs, self.samples.targets)
        return self._fingerprint[1]

    def digests(self) -> dict[str, tuple[int, str]]:
        """Return for each part how many samples it has, and a digest of them as read."""
        inputs, targets = self.samples.inputs, self.samples.targets
        return {part: (len(rows), _digest(inputs, targets, rows=rows)) for part, (rows, _) in self._parts.items()}

    def rows_in_batches(self, part: Literal["train", "val"]) -> TensorLoader:
        """Return batches of the row numbers of samples in the place of the samples, in the order of these."""
        training = part == "train"
        size = self.batch_size_at(0) if training else self.judging_batch
        rows, targets = self._parts[part]
        return TensorLoader(rows, targets, batch_size=size, shuffle=training, seed=self._seed)

    @property
    def judging_batch(self) -> int:
        """Samples a batch where nothing is learnt, > 0: fewer of large ones."""
        return judging_batch(self.samples.inputs[:1].numel())

    def _varied(self, augmentation: Augmentation, raw: Tensor, rows: Tensor) -> Variation:
        kind: Any = self.kind
        return Variation(augmentation, kind, ValueRange.of(raw, rows), self.preparation, self._seed)

    def _loader(
        self, part: str, *, batch_size: int, shuffle: bool = False, steps: int = 1, learnt: bool = False
    ) -> Loader:
        trainer = self.trainer
        rows, targets = self._parts[part]
        variation, mixing = (self._variation, self._mixing) if learnt else (None, None)
        if mixing is not None:
            targets = rows  # by which the loader that mixes finds them
        if variation is not None:
            inputs = torch.arange(len(rows))
        else:
            inputs = rows if self.is_streamed else self.scaled(part)
        device = trainer.strategy.root_device if trainer is not None else torch.device("cpu")
        where, _ = self.placed(device)
        if where == "device":
            inputs, targets = inputs.to(device), targets.to(device)

        def epoch() -> int:
            return trainer.current_epoch if trainer else 0

        order = TensorLoader(
            inputs,
            targets,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=self._seed,
            epoch=epoch,
            process=trainer.global_rank if trainer else 0,
            processes=trainer.world_size if trainer else 1,
            steps=steps,
            partners=mixing is not None,
        )
        loader: Loader = order
        if variation is not None and self._views is not None:
            _, features, views = self._views
            features = features.to(device) if where == "device" else features
            loader = ViewLoader(order, features, views, seed=self._seed, epoch=epoch)
            if _copies_ahead(where, device):
                loader = Prefetched(loader, CopyAside(device))
        elif variation is not None:
            raw = self._raw(part, order, where, device, mixed=mixing is not None)
            loader = AugmentedLoader(raw, variation.on(device), device, epoch)
        elif self.is_streamed:
            loader = self._stream(part, order, device, mixed=mixing is not None, preparation=self.preparation)
        elif _copies_ahead(where, device):
            loader = Prefetched(order, CopyAside(device))
        if mixing is None:
            return loader
        how: Any = {"device": device, "seed": self._seed, "epoch": epoch}
        processes = trainer.world_size if trainer else 1
        return MixedLoader(loader, mixing, self.samples.targets, processes=processes, **how)

    def _raw(
        self, part: str, order: TensorLoader, where: Placement, device: torch.device, *, mixed: bool
    ) -> RawLoader | StreamLoader | Prefetched:
        """Return what gives out samples of a part as they were read, with their numbers in it."""
        rows = self._parts[part][0]
        if self.is_streamed:
            return self._stream(part, order, device, mixed=mixed, rows=rows)
        inputs = self.samples.inputs
        if where == "device":
            inputs, rows = inputs.to(device), rows.to(device)
        raw = RawLoader(inputs, rows, order)
        return Prefetched(raw, CopyAside(device)) if _copies_ahead(where, device) else raw

    def _stream(
        self, part: str, order: TensorLoader, device: torch.device, *, mixed: bool, **how: Any
    ) -> StreamLoader:
        if part in self._streams:  # of an epoch before
            self._streams.pop(part).close()
        stream = StreamLoader(
            self.samples.inputs,
            torch.arange(len(self.samples.targets)) if mixed else self.samples.targets,
            dtype=self.raw_dtype,
            order=order,
            num_workers=self.num_workers,
            pin_memory=device.type == "cuda",
            **how,
        )
        self._streams[part] = stream
        return stream

    @property
    def _scaled_bytes(self) -> int:
        served = self.samples.inputs if self._features is None else self._features[1]
        return served.numel() * torch.float32.itemsize


def judging_batch(numbers: int) -> int:
    """Return how many samples of so many numbers a batch has where nothing is learnt, > 0."""
    return min(JUDGING_BATCH, max(1, _JUDGED_AT_ONCE // max(1, numbers)))


def _groups(count: int) -> str:
    return counted(count, "group")


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _advice(samples: Samples, name: str) -> str:
    if samples.official_test or samples.official_val:
        return "the official parts divide them"
    return f"validation.groups={name} keeps each on one side"


def _copies_ahead(where: Placement, device: torch.device) -> bool:
    return device.type == "cuda" and where == "host"


def _digest(*tensors: Tensor, rows: Tensor | None = None) -> str:
    """Return a digest of tensors (N, …), or of some of their rows, of which few are copied at a time."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        count = len(tensor) if rows is None else len(rows)
        digest.update(f"{tensor.dtype} {(count, *tensor.shape[1:])}".encode())
        at_once = max(1, _BYTES_AT_ONCE // max(1, tensor[:1].nbytes))
        for part in (tensor,) if rows is None else (tensor[some] for some in torch.split(rows, at_once)):
            digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()
