"""What a run's certainty is fitted on: its validation part, as it was left, or from the data where they are."""

import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from omegaconf import open_dict
from torch import Tensor

from lightune.data import InMemoryData
from lightune.errors import ConfigError, Problem
from lightune.inference.certainty import Validated, gathered_features
from lightune.inference.network import PredictingNetwork
from lightune.paths import VALIDATION_FILE
from lightune.reporting.data_file import require_same_data
from lightune.reporting.predictions import names_of, validations_below
from lightune.run import prepare
from lightune.runtime.atomic_files import write_whole
from lightune.training.resumption import load_run_config, run_of

__all__ = ["REFERENCES_FILE", "ValidationPart", "reference_features", "validated", "validation_parts"]

REFERENCES_FILE = "features_val.npz"

_MOST_REFERENCES = 2048  # of a fit


def validated(run_dir: Path, networks: Sequence[PredictingNetwork], *, checkpoint: str, asked: str) -> Validated:
    """Return what each fit of a run predicted for its validation part, and the targets.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        networks: one a fit.
        checkpoint: `best`, `last`, or the path of a file: what the run left is of the best.
        asked: the option that needs them, for a refusal.

    Raises:
        ConfigError: if the run has not left them and its data are not at hand.
    """
    try:
        if checkpoint == "best":
            left = [(each.predicted, each.targets) for each in validations_below(run_dir)]
            if len(left) == len(networks):
                return left
        missing = f"{run_dir / VALIDATION_FILE} is not of this checkpoint"
    except (OSError, ValueError):
        missing = f"there is no sound {VALIDATION_FILE} in {run_dir}"
    again = []
    for network, (raw, targets) in zip(networks, _samples(run_dir, asked, missing), strict=True):
        device = next(network.parameters()).device
        with torch.inference_mode():
            parts = [network(part.to(device)).float().cpu() for part in torch.split(raw, 1024)]
        again.append((torch.cat(parts), targets))
    return again


def reference_features(
    run_dir: Path, networks: Sequence[PredictingNetwork], *, checkpoint: str, asked: str
) -> list[Tensor]:
    """Return features (R, D) of the validation part of each fit, of at most 2,048 samples drawn from it.

    Those of the best checkpoint are kept in `features_val.npz` in the folder, for when the data are not at hand.

    Args:
        run_dir: as for `validated`.
        networks: as for `validated`.
        checkpoint: as for `validated`.
        asked: as for `validated`.

    Raises:
        ConfigError: if they are not kept, and the run's data are not at hand.
    """
    file, is_best = run_dir / REFERENCES_FILE, checkpoint == "best"
    if is_best and (kept := _kept(file, len(networks))):
        return kept
    features = []
    missing = f"there is no sound {REFERENCES_FILE} in {run_dir}" if is_best else "they are of the best epoch"
    for network, (raw, _) in zip(networks, _samples(run_dir, asked, missing), strict=True):
        drawn = torch.randperm(len(raw), generator=torch.Generator().manual_seed(0))[:_MOST_REFERENCES]
        features.append(gathered_features(network, raw[drawn]))
    if is_best:
        content = io.BytesIO()
        np.savez(content, *[each.numpy() for each in features])
        with suppress(OSError):  # a run that cannot be written to is read all the same
            write_whole(file, content.getvalue())
    return features


def _kept(file: Path, fits: int) -> list[Tensor]:
    """Return the features that a file keeps; none if it is of other fits, or damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            kept = [torch.from_numpy(content[f"arr_{number}"]).float() for number in range(fits)]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return []
    return kept if all(each.ndim == 2 and len(each) > 1 for each in kept) else []


def _samples(run_dir: Path, asked: str, missing: str) -> list[tuple[Tensor, Tensor]]:
    needs = f"is fitted on the run's validation part: {missing}, and its data cannot be read here"
    return [(part.raw, part.targets) for part in validation_parts(run_dir, asked=asked, needs=needs)]


class ValidationPart(NamedTuple):
    """The samples that a fit of a run was judged on.

    Args:
        raw: (n, …) as they were read.
        targets: (n,) classes, or (n, T) values.
        names: of each, the file it came from, or the number of its row.
    """

    raw: Tensor
    targets: Tensor
    names: list[str]


def validation_parts(run_dir: Path, *, asked: str, needs: str) -> list[ValidationPart]:
    """Return the validation part of each fit of a run, from its data.

    Args:
        run_dir: the run's folder, or that of one of its fits.
        asked: the option that needs them, for a refusal.
        needs: the beginning of that refusal.

    Raises:
        ConfigError: if the run's data are not at hand, or not what they were.
    """
    home = run_of(run_dir)
    cfg = load_run_config(home)
    cfg.logger = {}
    with open_dict(cfg):
        cfg.trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "compile": "none"})
    try:
        parts = prepare(cfg)
        require_same_data(home, parts.data)
    except ConfigError as error:
        first = error.problems[0]
        raise ConfigError([Problem(asked, f"{needs} ({first.key}: {first.message})")]) from error
    data = parts.data
    if not isinstance(data, InMemoryData):
        raise ConfigError([Problem(asked, f"{needs} ({type(data).__name__} makes batches of its own)")])
    plans = [plan for plan in parts.plans if home == run_dir or str(plan.index) == run_dir.name]
    rows = [torch.from_numpy(plan.split.val) for plan in plans if plan.split is not None]
    samples, names = data.samples, names_of(data)
    return [
        ValidationPart(
            samples.inputs[each].to(data.raw_dtype),
            samples.targets[each],
            [names.files[row] if len(names.files) else str(names.row(row)) for row in each.tolist()],
        )
        for each in rows
    ]
