"""Grammar of what people read. This module must not import torch or Lightning."""

from collections.abc import Iterator, Sequence

__all__ = ["clipped", "counted", "duration", "lines_of"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with what is counted: `1 trial`, `2 trials`, `10,000 trials`.

    Args:
        number: >= 0.
        noun: in the singular.
        plural: where an `s` at the end does not make it.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def clipped(text: str, length: int) -> str:
    """Return a text of so many characters at most; one that is cut off ends with `…`.

    Args:
        text: of any length.
        length: > 0.
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def duration(seconds: float) -> str:
    """Return a time as one says it: `45 s`, `12 min`, `3 h 20 min`.

    Args:
        seconds: >= 0.
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours and rest else f"{hours} h" if hours else f"{minutes} min"


def lines_of(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of names and what belongs to each; a value of several lines stands below itself."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        for index, line in enumerate(value.splitlines() or [""]):
            yield f"{name if index == 0 else '':<{width}}  {line}".rstrip()
