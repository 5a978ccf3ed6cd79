"""Receiver operating characteristics and precision over recall as pictures, for TensorBoard."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.reporting.png import font_of
from lightune.statistics.rates import area_under, average_precision, precision_recall, receiver_rates
from lightune.wording import clipped

__all__ = ["rates_pictures"]

_SIDE, _LEFT, _TOP, _BOTTOM = 400, 56, 16, 44  # pixels: the square, and what is around it
_LEGEND, _LINE = 190, 18
_MOST_LINES = 8
_LETTERS = 16  # of a class's name
_COLOURS = ("#b4410e", "#2f6fb5", "#2a8a57", "#8a4fb0", "#a07a10", "#708090", "#c2478d", "#3a9aa8")
_INK, _GRID = "#333333", "#dddddd"

Line = tuple[str, NDArray[np.float64], NDArray[np.float64], float]
"""A name, x and y from 0 to 1, and the area below."""


def rates_pictures(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, NDArray[np.uint8]]:
    """Draw both, a line a class against all others; of two classes the second, of many those that do worst.

    Args:
        probabilities: (N, C).
        targets: (N,) classes.
        classes: names of the C classes.

    Returns:
        `roc` and `precision_recall` → a picture (H, W, 3) uint8; nothing where no class has both kinds of samples.
    """
    drawn = [1] if len(classes) == 2 else range(len(classes))
    there = [place for place in drawn if 0 < (targets == place).sum() < len(targets)]
    if not there:
        return {}
    receiver, precision = [], []
    for place in there:
        scores, positive = probabilities[:, place].astype(np.float64), targets == place
        x, y = receiver_rates(scores, positive)
        receiver.append((classes[place], x, y, area_under(x, y)))
        recall, precise = precision_recall(scores, positive)
        precision.append((classes[place], recall, precise, average_precision(recall, precise)))
    return {
        "roc": _picture(receiver, "false positive rate", "true positive rate"),
        "precision_recall": _picture(precision, "recall", "precision"),
    }


def _picture(lines: Sequence[Line], x_name: str, y_name: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw  # late: most runs draw nothing

    shown = sorted(lines, key=lambda line: line[3])[:_MOST_LINES]
    size = (_LEFT + _SIDE + _LEGEND, _TOP + _SIDE + _BOTTOM)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), font_of(12)

    def at(x: Any, y: Any) -> tuple[Any, Any]:
        return _LEFT + x * _SIDE, _TOP + (1 - y) * _SIDE

    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        draw.line([at(tick, 0), at(tick, 1)], fill=_GRID)
        draw.line([at(0, tick), at(1, tick)], fill=_GRID)
        draw.text((at(tick, 0)[0], at(0, 0)[1] + 4), f"{tick:g}", fill=_INK, font=font, anchor="ma")
        draw.text((_LEFT - 6, at(0, tick)[1]), f"{tick:g}", fill=_INK, font=font, anchor="rm")
    draw.text((at(0.5, 0)[0], size[1] - 4), x_name, fill=_INK, font=font, anchor="md")
    draw.text((_LEFT + 4, _TOP), y_name, fill=_INK, font=font, anchor="la")
    for place, (name, x, y, area) in enumerate(shown):
        draw.line(_corners(*at(x, y)), fill=_COLOURS[place], width=2)
        top = _TOP + place * _LINE
        draw.line([(_LEFT + _SIDE + 10, top + 8), (_LEFT + _SIDE + 26, top + 8)], fill=_COLOURS[place], width=3)
        called = f"{clipped(name, _LETTERS)} {area:.3f}"
        draw.text((_LEFT + _SIDE + 32, top), called, fill=_INK, font=font, anchor="la")
    if len(lines) > len(shown):
        rest = f"and {len(lines) - len(shown)} that do better"
        draw.text((_LEFT + _SIDE + 10, _TOP + len(shown) * _LINE), rest, fill=_INK, font=font, anchor="la")
    return np.asarray(picture)


def _corners(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the points of a line, in whole pixels, without those that lie straight between their neighbours."""
    points = np.stack([x, y], axis=1).round()
    points = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
    ahead, behind = points[2:] - points[1:-1], points[1:-1] - points[:-2]
    turns = (ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]) | ((ahead * behind).sum(axis=1) < 0)
    kept = points[np.r_[True, turns, True]] if len(points) > 2 else points
    return [(float(left), float(top)) for left, top in kept]
