import inspect
from importlib import import_module

import pytest

from lightune.config.static.signatures import REQUIRED, UnreadableTargetError, describe

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


@pytest.fixture
def own(tmp_path, monkeypatch, request):
    """Write a module of the user's own; return how to describe a class in it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{abs(hash(request.node.nodeid))}"

    def read(source, target):
        (tmp_path / f"{name}.py").write_text(source)
        return describe(f"{name}.{target}")

    return read


def test_an_argument_whose_default_is_null_may_be_null(own):
    parameters = own(
        "from dataclasses import dataclass\n"
        "def f(width: int = None, depth: int = 1): ...\n"
        "@dataclass\nclass A:\n    width: int = None\n",
        "f",
    ).parameters
    assert parameters["width"].annotation == int | None
    assert parameters["depth"].annotation is int


def test_reads_the_fields_of_a_named_tuple(own):
    source = (
        "import typing\nclass Point(typing.NamedTuple):\n    x: int\n    y: float = 0.5\n"
        "class Named(Point):\n    name: str = 'not a field'\n"
    )
    for name in ("Point", "Named"):
        parameters = own(source, name).parameters
        assert list(parameters) == ["x", "y"]
        assert parameters["x"].required
        assert parameters["y"].annotation is float


def test_reads_the_arguments_of_new(own):
    source = "class A:\n    def __new__(cls, size: int): ...\nclass B(A): ...\n"
    assert list(own(source, "B").parameters) == ["size"]


def test_a_new_that_takes_anything_leaves_the_arguments_to_init(own):
    source = (
        "class A:\n    def __init__(self, size: int): ...\n"
        "class B(A):\n    def __new__(cls, *args, **kwargs): ...\n"
    )
    target = own(source, "B")
    assert list(target.parameters) == ["size"]
    assert not target.open_ended


def test_a_base_class_made_at_run_time_is_left_to_an_import(own):
    source = "from collections import namedtuple\nclass A(namedtuple('A', 'x y')): ...\n"
    with pytest.raises(UnreadableTargetError, match="made at run time"):
        own(source, "A")
