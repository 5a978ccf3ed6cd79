"""Samples as they are read, and judged then: what cannot be learnt from is refused with its rows and columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.validation import Indices
from lightune.wording import counted

__all__ = ["Samples", "sound"]

_SHOWN = 5  # rows, columns or labels that a message names
_LARGEST = torch.finfo(torch.float32).max
_AT_ONCE = 2**20  # values that are judged at a time


@dataclass(frozen=True)
class Samples:
    """All samples of a data set, as they were read.

    Args:
        inputs: images (N, C, H, W) or a table (N, F); any dtype, float32 once served.
        targets: classes (N,) int64, or values (N, T) float32.
        num_classes: number of classes; 0 for regression.
        official_test: how many samples, standing last, form the official test split; 0 if there is none.
        groups: column name → (N,) number of the group of each sample, such as the patient that it comes from.
        official_val: how many samples, standing before those, form the official validation split.
        copies: (N,) number of the set of equal samples that each belongs to, which no split may divide; None where
            samples are divided one by one.
        may_be_missing: whether NaN among the inputs means a missing value, which the preparation fills in.
        schema: what the samples are, as texts, numbers and lists: `classes`, `columns`, …; a checkpoint holds it.
        report: what was found when they were read, one (subject, remark) a line.
        rows: (N,) number of the row in its file that each sample was, from 0; None where they are as in the file.
        files: the file that each sample came from; empty where there is one or none.
        times: column name → what returns its points in time (N,), NaN where one is missing.
        in_file: whether the inputs lie in a file, of which the system holds in memory what is used.
    """

    inputs: Tensor
    targets: Tensor
    num_classes: int = 0
    official_test: int = 0
    groups: Mapping[str, Indices] = field(default_factory=dict)
    official_val: int = 0
    copies: Indices | None = None
    may_be_missing: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)
    report: Sequence[tuple[str, str]] = ()
    rows: Indices | None = None
    files: Sequence[str] = ()
    times: Mapping[str, Callable[[], NDArray[np.float64]]] = field(default_factory=dict)
    in_file: bool = False


def sound(samples: Samples) -> Samples:
    """Return samples as everything else expects them: tensors, labels (N,) int64 or values (N, T) float32.

    Types are converted where nothing is lost; arrays of NumPy become tensors. Inputs keep their type.

    Args:
        samples: as `load` of a data set returned them.

    Raises:
        ValueError: with all that is wrong with them at once.
    """
    inputs, targets = _tensor("inputs", samples.inputs), _tensor("targets", samples.targets)
    problems = list(_shape_problems(inputs, targets))
    if not problems:
        problems += _value_problems("inputs", inputs, may_be_missing=samples.may_be_missing)
        if samples.num_classes:
            targets, found = _labels(targets, samples.num_classes)
        else:
            targets, found = _values(targets)
        problems += found
        problems += _part_problems(samples, len(targets))
    if problems:
        raise ValueError("; ".join(problems))
    return replace(samples, inputs=inputs, targets=targets)


def _tensor(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach()
    try:
        return torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError, RuntimeError) as error:
        kind = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{name} must be numbers, got {kind}") from error


def _shape_problems(inputs: Tensor, targets: Tensor) -> Iterator[str]:
    if inputs.is_complex() or targets.is_complex():
        yield "inputs and targets must be real numbers, got complex ones"
    if inputs.ndim < 2:
        yield f"inputs must have a row a sample, (N, …), got shape {tuple(inputs.shape)}"
    if targets.ndim not in (1, 2):
        yield f"targets must be classes (N,) or values (N, T), got shape {tuple(targets.shape)}"
    elif inputs.ndim and len(inputs) != len(targets):
        given = f"{counted(len(inputs), 'row')} of inputs and {counted(len(targets), 'target')}"
        yield f"there must be a target for each row, got {given}"
    elif not len(targets):
        yield "there are no samples"


def _value_problems(name: str, values: Tensor, *, may_be_missing: bool = False) -> Iterator[str]:
    """Yield what is no finite number once it is a float32, which networks compute in."""
    if not values.is_floating_point() or not len(values):
        return
    parts = torch.split(values, max(1, _AT_ONCE // max(1, values[:1].numel())))
    what, found = "missing or infinite", _places(parts, torch.isinf if may_be_missing else _is_not_finite)
    if not len(found) and values.dtype == torch.float64:
        what = f"beyond {_LARGEST:.1e}, which float32 cannot hold,"
        found = _places(parts, lambda part: part.abs() > _LARGEST)
    if not len(found):
        return
    rows = torch.unique(found[:, 0]).tolist()
    columns = torch.unique(found[:, 1]).tolist() if values.ndim == 2 else []
    where = f"{_numbers('row', rows)}" + (f", {_numbers('column', columns)}" if columns else "")
    count = len(found)
    yield f"{name} have {counted(count, f'{what} value')} ({where}, from 0); fill them in or leave the rows out"


def _places(parts: Sequence[Tensor], is_bad: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the places (B, dimensions) of bad values in a tensor that is given part by part."""
    found, first = [], 0
    for part in parts:
        places = is_bad(part).nonzero()
        places[:, 0] += first
        found.append(places)
        first += len(part)
    return torch.cat(found)


def _is_not_finite(values: Tensor) -> Tensor:
    return ~torch.isfinite(values)


def _labels(targets: Tensor, num_classes: int) -> tuple[Tensor, list[str]]:
    """Return labels (N,) int64, and what is wrong with them."""
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim == 2:
        return targets, [f"targets of {num_classes} classes must have shape (N,), got {tuple(targets.shape)}"]
    if targets.is_floating_point():
        if problems := list(_value_problems("targets", targets)):
            return targets, problems
        if bool((targets != targets.round()).any()):
            return targets, [f"targets of {num_classes} classes must be whole numbers, got {_shown(targets)}"]
    labels = targets.long()
    outside = (labels < 0) | (labels >= num_classes)
    if bool(outside.any()):
        rule = f"targets of {num_classes} classes must be from 0 to {num_classes - 1}"
        return labels, [f"{rule}, got {_shown(labels)}; number the classes from 0"]
    return labels, []


def _values(targets: Tensor) -> tuple[Tensor, list[str]]:
    """Return values (N, T) float32, and what is wrong with them."""
    problems = list(_value_problems("targets", targets))
    return (targets.unsqueeze(1) if targets.ndim == 1 else targets).float(), problems


def _part_problems(samples: Samples, rows: int) -> Iterator[str]:
    if samples.num_classes < 0 or samples.num_classes == 1:
        yield f"num_classes must be 0 for regression or at least 2, got {samples.num_classes}"
    if not 0 <= samples.official_test + samples.official_val < rows:
        kept = f"{samples.official_test} and {samples.official_val}"
        yield f"official_test and official_val must be from 0 to less than the {rows} rows together, got {kept}"
    if (samples.rows is not None and len(samples.rows) != rows) or len(samples.files) not in (0, rows):
        yield f"rows and files must name each of the {rows} samples, or none"
    for name, groups in samples.groups.items():
        if len(groups) != rows:
            yield f"groups[{name!r}] must have a group for each of the {rows} rows, got {len(groups)}"


def _shown(values: Tensor) -> str:
    distinct = sorted(set(values.tolist()))
    return ", ".join(f"{value:g}" for value in distinct[:_SHOWN]) + (", …" if len(distinct) > _SHOWN else "")


def _numbers(name: str, numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (
        f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    )
    return f"{name}{'s' if len(numbers) > 1 else ''} {shown}"
