"""What a comparison says, in lines.

This module must not import Optuna, torch or Lightning, nor NumPy at its top.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lightune.report.tables import shown_figure

if TYPE_CHECKING:
    from lightune.report.comparison import Comparison

__all__ = ["letter_of", "verdict_lines"]

_CHANCE = 0.05


def letter_of(place: int) -> str:
    """Return what a subject is called: A for the first."""
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def verdict_lines(result: "Comparison") -> Iterator[str]:
    """Yield what a comparison says of a metric, with its test, what that assumes, and what it could have seen."""
    letter = letter_of(result.subject)
    figures = f"{shown_figure(result.first)} and {shown_figure(result.second)}"
    verdict = result.verdict
    if verdict is None:
        yield f"{result.metric}  A and {letter}: {figures}; no test: {result.remark}"
        return
    p = verdict.p if result.corrected is None else result.corrected
    apart = abs(verdict.difference)
    better = letter if (verdict.difference > 0) == (result.better == "higher") else "A"
    low, high = sorted((verdict.low, verdict.high))
    interval, visible_one = f"95 % between {_signed(low)} and {_signed(high)}", shown_figure(verdict.visible)
    says = f"{better} is better" if p < _CHANCE else "not told from chance"
    yield f"{result.metric}  A and {letter}: {figures}; {says}"
    yield f"    {letter} - A = {_signed(verdict.difference)}, {interval}, {_p(p)}"
    yield f"    {verdict.test}, on {result.data}; assumes that {verdict.assumption}"
    if p >= _CHANCE:
        yield f"    in four of five such comparisons a difference of {visible_one} would have been seen"
    elif apart < verdict.visible:
        yield f"    many differences below {visible_one} are missed, so one that is found may be overstated"
    if result.remark:
        yield f"    {result.remark}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{shown_figure(abs(value))}"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"
