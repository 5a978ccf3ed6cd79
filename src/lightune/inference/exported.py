"""Files of a network for other programs: ONNX, and programs of torch.export; each is run before it is believed."""

import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim

from lightune.inference.graph import BATCH, GraphInput, PredictingGraph

__all__ = ["METADATA", "Answer", "Format", "as_onnx", "as_program", "run_onnx", "run_program"]

Format = Literal["onnx", "torch_export"]
Arrays = Sequence[NDArray[Any]]

METADATA = "lightune"
"""Key of the file's metadata that holds a JSON text: version, inputs, outputs, classes, what the samples are."""

_OPSET, _ML_OPSET = 20, 3
_INNER = "lightune/"  # before the names of values inside
_TYPES = {"float64": np.float64, "float32": np.float32, "int64": np.int64, "uint8": np.uint8}


class Answer(NamedTuple):
    """What a network says of a batch.

    Args:
        predicted: names of classes (N,), or values (N,) or (N, T).
        probabilities: (N, C) float32; None for values.
    """

    predicted: NDArray[Any]
    probabilities: NDArray[np.float32] | None


def as_onnx(
    graph: PredictingGraph, inputs: Sequence[GraphInput], classes: Sequence[str], about: Mapping[str, Any]
) -> bytes:
    """Return a network as an ONNX file; categories are given and classes are named by texts.

    Args:
        graph: the network.
        inputs: of it, in their order.
        classes: their names; none for values.
        about: what the file's metadata say beside inputs and outputs.

    Raises:
        ValueError: if the network has a step that cannot be exported.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    with _traced("ONNX"):
        program = torch.onnx.export(
            graph,
            tuple(_example(each) for each in inputs),
            dynamo=True,
            dynamic_shapes=(tuple(map(_dynamic, inputs)),),
            opset_version=_OPSET,
            verbose=False,
        )
    assert program is not None
    inner = compose.add_prefix(program.model_proto, _INNER)
    shapes = [_shape(each, value) for each, value in zip(inputs, inner.graph.input, strict=True)]
    inputs = [GraphInput(**{**vars(each), "shape": shape}) for each, shape in zip(inputs, shapes, strict=True)]
    kinds = {
        "float64": TensorProto.DOUBLE,
        "float32": TensorProto.FLOAT,
        "int64": TensorProto.INT64,
        "uint8": TensorProto.UINT8,
        "string": TensorProto.STRING,
    }
    before, after, names = [], [], _output_names(inputs, has_classes=bool(classes))
    for each, value in zip(inputs, inner.graph.input, strict=True):
        if each.codes is None:
            before.append(helper.make_node("Identity", [each.name], [value.name]))
        else:
            keys = each.codes or {"": each.default}
            coded = {
                "keys_strings": list(keys),
                "values_int64s": list(keys.values()),
                "default_int64": each.default,
            }
            node = helper.make_node("LabelEncoder", [each.name], [value.name], domain="ai.onnx.ml")
            node.attribute.extend(helper.make_attribute(*pair) for pair in coded.items())
            before.append(node)
    outer = [helper.make_tensor_value_info(each.name, kinds[each.dtype], each.shape) for each in inputs]
    ends = [value.name for value in inner.graph.output]
    results = []
    if classes:
        texts: Any = [name.encode() for name in classes]
        named = helper.make_tensor(f"{_INNER}classes", TensorProto.STRING, [len(classes)], texts)
        inner.graph.initializer.append(named)
        after.append(helper.make_node("Gather", [named.name, ends[1]], [names[0]]))
        after.append(helper.make_node("Identity", [ends[0]], [names[1]]))
        results.append(helper.make_tensor_value_info(names[0], TensorProto.STRING, (BATCH,)))
        results.append(helper.make_tensor_value_info(names[1], TensorProto.FLOAT, (BATCH, len(classes))))
    else:
        after.append(helper.make_node("Identity", ends, names))
        wide = [each.dim_value for each in inner.graph.output[0].type.tensor_type.shape.dim[1:]]
        results.append(helper.make_tensor_value_info(names[0], TensorProto.FLOAT, (BATCH, *wide)))
    made = helper.make_graph(
        [*before, *inner.graph.node, *after], "lightune", outer, results, inner.graph.initializer
    )
    versions = {"": _OPSET, "ai.onnx.ml": _ML_OPSET}
    imports = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    known = {each.domain for each in imports} | {"ai.onnx"}
    imports += [each for each in inner.opset_import if each.domain not in known]
    model = helper.make_model(made, opset_imports=imports, functions=inner.functions, ir_version=10)
    model.producer_name, model.producer_version = "lightune", str(about["version"])
    helper.set_model_props(model, {METADATA: _metadata(about, inputs, names, classes)})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def as_program(
    graph: PredictingGraph, inputs: Sequence[GraphInput], classes: Sequence[str], about: Mapping[str, Any]
) -> bytes:
    """Return a network as a program of torch.export, which takes codes of categories and gives places of classes.

    Of a table it takes a mapping from column to values, of others a tensor; it returns a mapping.

    Args:
        graph: the network.
        inputs: of it, in their order.
        classes: their names; none for values.
        about: what the file's metadata say beside inputs and outputs.

    Raises:
        ValueError: if the network has a step that cannot be exported.
    """
    is_table = inputs[0].shape == (BATCH,)
    names = _output_names(inputs, has_classes=bool(classes))
    examples, dynamic = [_example(each) for each in inputs], [_dynamic(each) for each in inputs]
    if is_table:
        called = [each.name for each in inputs]
        taken: Any = dict(zip(called, examples, strict=True))
        sizes: Any = dict(zip(called, dynamic, strict=True))
    else:
        (taken,), (sizes,) = examples, dynamic
    with _traced("torch.export"):
        module = _ByName(graph, [each.name for each in inputs] if is_table else None, names)
        program = torch.export.export(module, (taken,), dynamic_shapes=(sizes,))
        told = [GraphInput(**{**vars(each), "dtype": _coded(each)}) for each in inputs]
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={METADATA: _metadata(about, told, names, classes)})
    return buffer.getvalue()


def run_onnx(content: bytes, batches: Sequence[Arrays]) -> list[Answer]:
    """Return what an ONNX file says of batches, each an array an input."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    answers = (session.run(None, dict(zip(names, batch, strict=True))) for batch in batches)
    return [Answer(each[0], each[1] if len(each) > 1 else None) for each in answers]


def run_program(
    content: bytes, batches: Sequence[Arrays], inputs: Sequence[GraphInput], classes: Sequence[str]
) -> list[Answer]:
    """Return what a program of torch.export says of batches, each an array an input."""
    with _traced("torch.export"):
        module = torch.export.load(io.BytesIO(content)).module()
    answers = []
    for batch in batches:
        tensors = [_tensor(each, array) for each, array in zip(inputs, batch, strict=True)]
        names = [each.name for each in inputs]
        is_table = inputs[0].shape == (BATCH,)
        with torch.inference_mode():
            said = list(module(dict(zip(names, tensors, strict=True)) if is_table else tensors[0]).values())
        predicted, *rest = (each.numpy() for each in said)
        answers.append(
            Answer(np.array(classes, dtype=object)[predicted] if classes else predicted, *rest or [None])
        )
    return answers


class _ByName(nn.Module):
    """Take a mapping from column to values, or a tensor; return a mapping."""

    def __init__(self, graph: PredictingGraph, columns: Sequence[str] | None, names: Sequence[str]) -> None:
        super().__init__()
        self.served, self.columns, self.names = graph, columns, names

    def forward(self, given: Any) -> dict[str, Tensor]:
        said = self.served(given) if self.columns is None else self.served(*(given[name] for name in self.columns))
        return dict(zip(self.names, reversed(said), strict=True))


@contextmanager
def _traced(format_: str) -> Iterator[None]:
    """Keep quiet about what exporters say of themselves; say in one line what they cannot export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ValueError(f"the network cannot be exported to {format_} ({reason})") from error


def _metadata(
    about: Mapping[str, Any], inputs: Sequence[GraphInput], names: Sequence[str], classes: Sequence[str]
) -> str:
    content = {
        **about,
        "inputs": [each.plain() for each in inputs],
        "outputs": list(names),
        "classes": list(classes),
    }
    return json.dumps(content, ensure_ascii=False)


def _output_names(inputs: Sequence[GraphInput], *, has_classes: bool) -> list[str]:
    """Return `predicted`, and `probabilities` of classes; with `_` at the end where a column is called so."""
    taken = {each.name for each in inputs}
    names = []
    for name in ("predicted", "probabilities")[: 1 + has_classes]:
        while name in taken:
            name += "_"
        names.append(name)
    return names


def _coded(each: GraphInput) -> Any:
    return "int64" if each.dtype == "string" else each.dtype


def _tensor(each: GraphInput, array: NDArray[Any]) -> Tensor:
    if each.codes is None:
        return torch.from_numpy(array)
    return torch.tensor([each.codes.get(text, each.default) for text in array])


def _example(each: GraphInput) -> Tensor:
    """Return a tensor to trace with; sizes that may be any differ from each other and from 0 and 1."""
    sizes = {BATCH: 3, "height": 40, "width": 50, "samples": 700, "T": 7}
    shape = [sizes[size] if isinstance(size, str) else size for size in each.shape]
    return torch.from_numpy(np.zeros(shape, _TYPES[_coded(each)]))


def _dynamic(each: GraphInput) -> dict[int, Any]:
    """Return which sizes may be any: that of a batch has to, others as far as the network allows."""
    return {
        place: Dim.DYNAMIC if size == BATCH else Dim.AUTO
        for place, size in enumerate(each.shape)
        if isinstance(size, str)
    }


def _shape(each: GraphInput, value: Any) -> tuple[int | str, ...]:
    """Return the shape of an input with the sizes that the network has fixed."""
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value or name for name, size in zip(each.shape, sizes, strict=True))
