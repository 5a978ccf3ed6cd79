"""Write the network of a finished run as a file for other programs, once it was seen to predict the same."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from lightune.config.build import make_data
from lightune.config.validate import find_problems
from lightune.data import InMemoryData
from lightune.data.file_folder import FileFolder
from lightune.errors import ConfigError, LightuneError, Problem
from lightune.inference.comparison import Trial, difference, made_up, trials_of
from lightune.inference.exported import Answer, Format, as_onnx, as_program, run_onnx, run_program
from lightune.inference.graph import graph_of
from lightune.inference.predictor import Predictor
from lightune.prediction import load
from lightune.runtime.atomic_files import write_whole
from lightune.training.resumption import load_run_config, run_of

__all__ = ["Exported", "export"]

_PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch_export": ()}
_SCHEMA = 1  # version of the metadata
_COMPARED = 64  # samples of the data
_TOLERANCE = 1e-4


class Exported(NamedTuple):
    """What was written.

    Args:
        networks: how many the file holds; their predictions are averaged.
        samples: how many of the run's data it was compared on, 0 where these cannot be read any more; always on
            some that are made up, too.
        difference: the largest, of a probability, or of a value as a share of the largest value.
    """

    networks: int
    samples: int
    difference: float


def export(
    run_dir: str | Path,
    output: str | Path,
    *,
    to: Format = "onnx",
    checkpoint: str = "best",
    prepares: bool = True,
) -> Exported:
    """Write the network of a run, its preparation included, for programs without lightune.

    Args:
        run_dir: the run's folder, or that of one of its fits; of a run of several fits the mean of theirs.
        output: the file; one that is there is replaced.
        to: `onnx`, or `torch_export` for `torch.export.load`.
        checkpoint: `best`, `last`, or the path of a file.
        prepares: whether the preparation is part of it; else it takes prepared inputs.

    Raises:
        ConfigError: if the folder is no run, a package is missing, the network has a step that cannot be exported,
            or the exported one predicts something else; nothing is written then.
        CheckpointError: as `lightune.load`.
        OSError: if the file cannot be written.
    """
    if absent := [name for name in _PACKAGES[to] if find_spec(name) is None]:
        rule = f"needs {', '.join(absent)}, which is not installed; pip install 'lightune[export]'"
        raise ConfigError([Problem("--to", f"{to} {rule}")])
    folder = Path(run_dir)
    predictor = load(folder, checkpoint=checkpoint, device="cpu")
    try:
        graph, inputs = graph_of(predictor, prepares=prepares)
    except ValueError as error:
        advice = f"name one: {run_of(folder)}/fits/0"
        raise ConfigError([Problem("--no-preparation", f"{error}; {advice}")]) from error
    real = _some_samples(load_run_config(run_of(folder)), predictor)
    compared = 0 if real is None else len(real)
    trials = [
        trial
        for samples in (real, made_up(predictor))
        if samples is not None and len(samples)
        for trial in trials_of(predictor, inputs, samples, prepares=prepares)
    ]
    about = _about(predictor, prepares=prepares)
    make_file = as_onnx if to == "onnx" else as_program
    try:
        content = make_file(graph, inputs, predictor.classes, about)
    except ValueError as error:
        raise ConfigError([Problem("--to", str(error))]) from error
    batches = [trial.arrays for trial in trials]
    answers = (
        run_onnx(content, batches) if to == "onnx" else run_program(content, batches, inputs, predictor.classes)
    )
    largest = _require_same(predictor, trials, answers)
    write_whole(Path(output), content)
    return Exported(len(predictor.networks), compared, largest)


def _require_same(predictor: Predictor, trials: list[Trial], answers: list[Answer]) -> float:
    largest = max(difference(predictor, *pair) for pair in zip(trials, answers, strict=True))
    if largest > _TOLERANCE:
        of = "a probability" if predictor.classes else "the largest value"
        rule = f"must predict what the run predicts; it differs by {largest:.2g} of {of}, more than {_TOLERANCE:g}"
        raise ConfigError([Problem("--to", f"the exported network {rule}; nothing was written")])
    return largest


def _about(predictor: Predictor, *, prepares: bool) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA,
        "version": version("lightune"),
        "kind": predictor.kind,
        "problem": "classification" if predictor.classes else "regression",
        "target": predictor.target,
        "networks": len(predictor.networks),
        "preparation": prepares,
        "samples": predictor.schema,
    }


def _some_samples(cfg: DictConfig, predictor: Predictor) -> Tensor | list[Tensor] | None:
    """Return some of the samples that the run was trained on; None if they are gone, or not the same any more."""
    if any(each.key.startswith("data.") for each in find_problems(cfg)):
        return None
    if "download" in cfg.data:
        cfg.data.download = False
    try:
        data = make_data(cfg)
        if isinstance(data, FileFolder):
            return data.originals(_COMPARED)
        if not isinstance(data, InMemoryData) or dict(data.samples.schema) != predictor.schema:
            return None
        inputs = data.samples.inputs
    except (LightuneError, OSError, ValueError):
        return None
    if tuple(inputs.shape[1:]) != predictor.raw_shape and predictor.kind != "text":
        return None
    return inputs[torch.linspace(0, len(inputs) - 1, min(_COMPARED, len(inputs))).round().long()]
