import inspect
from importlib import import_module

import pytest

from lightune.config.signatures import REQUIRED, describe

READ_AND_IMPORTED = [
    "lightune.models.MLP",
    "lightune.models.CNN",
    "lightune.data.Digits",
    "lightune.data.TorchvisionImages",
    "lightune.losses.CrossEntropy",
    "lightune.losses.Huber",
    "lightune.optim.warmup_cosine",
    "lightune.regularization.Regularization",
    "lightune.validation.Holdout",
    "lightune.callbacks.BestAndLast",
    "lightune.tasks.SupervisedTask",
    "torch.optim.SGD",
    "torch.optim.AdamW",
    "torch.optim.RMSprop",
    "torch.optim.lr_scheduler.CosineAnnealingLR",
    "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "torch.nn.Linear",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.loggers.CSVLogger",
]


@pytest.mark.parametrize("path", READ_AND_IMPORTED)
def test_reads_the_same_arguments_and_defaults_as_an_import_finds(path):
    module, _, name = path.rpartition(".")
    imported = inspect.signature(getattr(import_module(module), name)).parameters
    target = describe(path)
    named = [p for p in imported.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    assert list(target.parameters) == [parameter.name for parameter in named]
    assert target.open_ended == any(p.kind is p.VAR_KEYWORD for p in imported.values())
    for parameter in named:
        read = target.parameters[parameter.name].default
        if parameter.default is inspect.Parameter.empty:
            assert read is REQUIRED
        elif isinstance(parameter.default, int | float | str | bool | tuple | list):
            assert read == parameter.default or read is None  # None: no literal, as in `lr=0.1 * 2`


def test_reads_class_constants_and_those_of_ancestors():
    assert describe("lightune.data.Digits").constants["kind"] == "image"
    assert describe("lightune.data.Wine").constants["kind"] == "table"
    assert describe("lightune.metrics.RegressionMetrics").constants["names"] == ("mae", "rmse", "r2")


def test_reads_the_fields_of_a_dataclass(tmp_path, monkeypatch):
    source = (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    x: int\n    y: float = 0.5\n"
    )
    (tmp_path / "with_dataclass.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    parameters = describe("with_dataclass.A").parameters
    assert parameters["x"].required
    assert parameters["y"].default == 0.5
    assert parameters["y"].annotation is float
