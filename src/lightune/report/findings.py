"""What is computed of a study, as plain values: how much a parameter mattered, what the best is worth.

This module must not import NumPy, Optuna, torch or Lightning: what was computed before is shown at once.
"""

from dataclasses import dataclass

__all__ = ["Importance", "Luck"]


@dataclass(frozen=True)
class Importance:
    """How much a parameter mattered.

    Args:
        key: the parameter's.
        share: of the importance of all parameters, in [0, 1].
        chance: what chance alone would not exceed in 19 of 20 studies, for any parameter; on the same scale.
    """

    key: str
    share: float
    chance: float

    @property
    def matters(self) -> bool:
        """Whether it is above what chance alone would show."""
        return self.share > self.chance


@dataclass(frozen=True)
class Luck:
    """What the best of a study is to be expected to reach on new samples.

    Args:
        found: its figure.
        expected: its corrected figure; None if it cannot be computed.
        low: lower end of the interval of 95 %.
        high: its upper end.
        points: how many it is the best of.
        samples: that each was judged on.
        reason: why there is no corrected figure.
        half: what half as many points would be expected to reach; of random search alone.
    """

    found: float | None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    points: int = 0
    samples: int = 0
    reason: str = ""
    half: float | None = None

    @property
    def gain(self) -> float | None:
        """How much of the figure is luck; None if that is unknown."""
        return None if self.expected is None or self.found is None else abs(self.found - self.expected)
