"""How samples are divided between learning and judging."""

from lightune.validation.holdout import Holdout, Split

__all__ = ["Holdout", "Split"]
