"""Draw the two pictures of docs/architecture.md: the rooms and their order, and the way of a trial.

    python docs/pictures/architecture.py

The order of the rooms is read from the contract in `pyproject.toml` that `make check` holds the imports to.
"""

import re
import tomllib
from collections.abc import Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
WIDTH = 880
FONT = "DejaVu Sans, Verdana, sans-serif"
INK, PAPER, LINE = "#1f2933", "#ffffff", "#9aa5b1"
COLOURS = ("#d9e8fb", "#e3f4e1", "#fdf1d0", "#f9e0dc", "#ece4f6", "#e6eaee")

# a room of each layer of the contract, from the top to the bottom → what the layer is for, and its colour
SAID = {
    "cli": ("what people type", 0),
    "scaffold": ("a project of one's own", 0),
    "report": ("from files alone", 0),
    "study": ("many runs", 1),
    "job": ("one Hydra job", 2),
    "exporting": ("for other programs", 2),
    "evaluation": ("measured again", 2),
    "prediction": ("loaded to predict", 2),
    "run": ("one run", 2),
    "training": ("its fits and processes", 2),
    "config": ("between run and parts", 3),
    "tasks": ("Lightning's parts", 4),
    "models": ("plain parts", 4),
    "checkpoints": ("weights in files", 5),
    "runtime": ("operating system", 5),
    "private_api": ("plain values", 5),
    "secrets": ("plain values", 5),
}

# the way of a trial: (who, file below src/lightune, what happens there)
DRIVER, WORKER = "driver's process", "worker's process"
WAY = (
    (DRIVER, "cli/train.py", "Hydra composes the command line"),
    (DRIVER, "cli/preflight.py", "all that cannot run is refused, nothing is written"),
    (DRIVER, "study/prepare.py", "folder, snapshot, settings and space of the study"),
    (DRIVER, "study/driver.py", "ask: a point of the space from storage/trial_store.py"),
    (DRIVER, "study/executors/executor.py", "submit: a Job, the trial and its overrides"),
    (WORKER, "study/executors/worker/main.py", "takes the job"),
    (WORKER, "study/hydra/run_job.py", "composes its configuration, makes its folder"),
    (WORKER, "job/task.py", "hands the configuration to the run"),
    (WORKER, "run.py", "prepare, seed, build, fit, test, report"),
    (WORKER, "engine/lean.py", "batches, in chunks, through the optimizer"),
    (WORKER, "training/run_record.py", "result.json, written last"),
    (WORKER, "study/outcome/judge.py", "Done: how it ended, its values"),
    (DRIVER, "study/driver.py", "tell: Optuna learns of it"),
    (DRIVER, "study/outputs/writer.py", "trials.csv, best.yaml"),
)


def layers() -> list[list[str]]:
    """Return the rooms of each layer, from the top to the bottom, as the contract has them."""
    with open(PROJECT / "pyproject.toml", "rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["type"] == "layers" and each["id"] == "layers"]
    return [
        [room.removeprefix("lightune.") for room in re.split(r"\s*[|:]\s*", row)] for row in contract["layers"]
    ]


def rooms_picture() -> str:
    """Return the picture of the rooms as SVG: a row a layer, each importing from those below it only."""
    rows, height, gap, left = layers(), 34, 10, 190
    parts = [_arrowhead()]
    for number, row in enumerate(rows):
        y = 16 + number * (height + gap)
        names = ["hydra_plugins" if name.startswith("hydra_plugins") else name for name in row]
        said, colour = next(SAID[name] for name in names if name in SAID)
        parts.append(_text(16, y + height / 2, said, size=12, colour="#52606d"))
        parts += _boxes(names, left, y, WIDTH - left - 46, height, COLOURS[colour])
    bottom = 16 + len(rows) * (height + gap)
    parts.append(_arrow(WIDTH - 24, 20, WIDTH - 24, bottom - 14))
    parts.append(
        f'<text transform="translate({WIDTH - 10},{bottom / 2}) rotate(90)" text-anchor="middle" font-size="12" '
        f'fill="#52606d">imports</text>'
    )
    return _svg(bottom + 6, parts)


def trial_picture() -> str:
    """Return the picture of a trial's way as SVG: a lane a process, a step a line."""
    height, top, lanes = 40, 44, {DRIVER: 16, WORKER: 456}
    parts = [_arrowhead()]
    for lane, x in lanes.items():
        parts.append(_text(x + 204, 22, lane, size=14, bold=True, anchor="middle"))
    for number, (lane, file, happens) in enumerate(WAY):
        x, y = lanes[lane], top + number * (height + 10)
        colour = COLOURS[0] if lane == DRIVER else COLOURS[1]
        parts.append(_box(x, y, 408, height, colour))
        parts.append(_text(x + 12, y + 13, file, size=12, bold=True))
        parts.append(_text(x + 12, y + 29, happens, size=12))
        if number:
            before = lanes[WAY[number - 1][0]]
            if before == x:
                parts.append(_arrow(x + 204, y - 10, x + 204, y - 1))
            elif before < x:
                parts.append(_path(f"M {before + 408} {y - 30} L {x + 204} {y - 30} L {x + 204} {y - 1}"))
            else:
                parts.append(_path(f"M {before} {y - 30} L {x + 204} {y - 30} L {x + 204} {y - 1}"))
    return _svg(top + len(WAY) * (height + 10) + 6, parts)


def _boxes(names: Sequence[str], x: float, y: float, width: float, height: float, colour: str) -> list[str]:
    """Lay out boxes in a row; longer names get more room."""
    gap, weight = 6, [len(name) + 4 for name in names]
    unit = (width - gap * (len(names) - 1)) / sum(weight)
    parts = []
    for name, share in zip(names, weight, strict=True):
        size = min(13.0, unit * share / (0.62 * len(name)))
        parts.append(_box(x, y, unit * share, height, colour))
        parts.append(_text(x + unit * share / 2, y + height / 2, name, size=size, anchor="middle"))
        x += unit * share + gap
    return parts


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="5" fill="{colour}" stroke="{LINE}"/>'


def _text(
    x: float, y: float, text: str, *, size: float, bold: bool = False, anchor: str = "start", colour: str = INK
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" dominant-baseline="central" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size:.1f}"{weight} fill="{colour}">{escape(text)}</text>'


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    return _path(f"M {x} {y} L {to_x} {to_y}")


def _path(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="{INK}" stroke-width="1.3" marker-end="url(#head)"/>'


def _arrowhead() -> str:
    return (
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        f'<path d="M0,0 L6,3 L0,6 z" fill="{INK}"/></marker></defs>'
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="{FONT}">\n{paper}\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


PICTURES = {"rooms.svg": rooms_picture, "trial.svg": trial_picture}


def main() -> None:
    """Write both pictures beside this script."""
    for name, picture in PICTURES.items():
        (HERE / name).write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
