"""Ways to judge a configuration: which samples it learns from, which judge it, which are left for the test."""

from lightune.validation.bootstrap import Bootstrap
from lightune.validation.division import Division
from lightune.validation.holdout import Holdout
from lightune.validation.kfold import CrossValidation
from lightune.validation.splits import Indices, Rows, Split

__all__ = ["Bootstrap", "CrossValidation", "Division", "Holdout", "Indices", "Rows", "Split"]
