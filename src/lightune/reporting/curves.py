"""`curves.csv`: what a run measured in each epoch, whatever its logger is."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightune.paths import CURVES_FILE
from lightune.runtime.atomic_files import write_whole

__all__ = ["read_curves", "write_curves"]


def write_curves(folder: Path, curves: Mapping[str, Sequence[float | None]], *, epochs: int) -> None:
    """Write one line an epoch: `epoch` from 0, `step`, and every `stage/metric`; empty where it was not measured.

    Args:
        folder: of the run.
        curves: tag → a value an epoch; none is written if there was no epoch.
        epochs: how many were trained, the last of which the curves end with.
    """
    count = len(curves.get("step", ()))
    if not count:
        return
    tags = ["step", *(tag for tag in curves if tag != "step")]
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerow(["epoch", *tags])
    for place, values in enumerate(zip(*(curves[tag] for tag in tags), strict=True)):
        cells = ("" if value is None else f"{value:.9g}" for value in values[1:])
        lines.writerow([epochs - count + place, int(values[0] or 0), *cells])
    write_whole(folder / CURVES_FILE, buffer.getvalue().encode())


def read_curves(folder: Path) -> dict[str, list[float | None]]:
    """Read what `write_curves` wrote: column → a value an epoch, None where there is none.

    Raises:
        OSError: if there is no such file.
    """
    with (folder / CURVES_FILE).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return {
        name: [float(line[place]) if line[place] else None for line in lines] for place, name in enumerate(header)
    }
