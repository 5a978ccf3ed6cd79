"""A line as a picture, one value of it marked."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightune.reporting.png import font_of

__all__ = ["line_picture"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 80, 24, 36, 48
_INK, _LINE, _MARK, _GRID = "#333333", "#1f4e8c", "#b03a2e", "#dddddd"
_MARKS_ON_AN_AXIS = 5


def line_picture(
    x: Sequence[float], y: Sequence[float], *, mark: float | None, x_name: str, y_name: str
) -> NDArray[np.uint8]:
    """Draw y over the logarithm of x, as a line through its points.

    Args:
        x: > 0, rising; at least one.
        y: finite.
        mark: the x where a line stands upright; None for none.
        x_name: written below.
        y_name: written above.

    Returns:
        The picture (H, W, 3) uint8.
    """
    from PIL import Image, ImageDraw  # late: most runs draw nothing

    low, high = min(y), max(y)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    first, last = math.log10(x[0]), math.log10(x[-1])
    first, last = (first, last) if last > first else (first - 0.5, last + 0.5)

    def place(at: float, value: float) -> tuple[float, float]:
        across = (math.log10(at) - first) / (last - first)
        up = (value - low) / (high - low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    font = font_of(12)
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    top, bottom = _TOP, _HEIGHT - _BOTTOM
    for value in np.linspace(low + margin, high - margin, _MARKS_ON_AN_AXIS):
        _, down = place(x[0], float(value))
        draw.line([(_LEFT, down), (_WIDTH - _RIGHT, down)], fill=_GRID)
        draw.text((_LEFT - 6, down), f"{value:.3g}", fill=_INK, font=font, anchor="rm")
    for at in _on_axis(x, first, last):
        right, _ = place(at, low)
        draw.line([(right, top), (right, bottom)], fill=_GRID)
        draw.text((right, bottom + 6), f"{at:g}", fill=_INK, font=font, anchor="ma")
    points = [place(at, value) for at, value in zip(x, y, strict=True)]
    draw.line(points, fill=_LINE, width=2, joint="curve")
    for right, down in points:
        draw.ellipse([(right - 2, down - 2), (right + 2, down + 2)], fill=_LINE)
    if mark is not None:
        right, _ = place(mark, low)
        draw.line([(right, top), (right, bottom)], fill=_MARK, width=2)
        draw.text((right, top - 4), f"{mark:g}", fill=_MARK, font=font, anchor="mb")
    draw.text((_LEFT, 8), y_name, fill=_INK, font=font)
    draw.text((_WIDTH - _RIGHT, _HEIGHT - 8), x_name, fill=_INK, font=font, anchor="rb")
    return np.asarray(picture)


def _on_axis(x: Sequence[float], first: float, last: float) -> list[float]:
    """Return where the axis is numbered: at powers of ten, or at the points themselves where there are few."""
    if len(x) <= 2 * _MARKS_ON_AN_AXIS:
        return list(x)
    return [10.0**power for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]
