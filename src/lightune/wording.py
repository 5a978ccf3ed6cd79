"""Grammar of what people read. This module must not import torch or Lightning."""

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with what is counted: `1 trial`, `2 trials`, `10,000 trials`.

    Args:
        number: >= 0.
        noun: in the singular.
        plural: where an `s` at the end does not make it.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
