"""Which values a key of a study's configuration may have, as the judge of configurations says; nothing is run.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable
from functools import cache

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lightune.config.compose import compose
from lightune.config.override_text import bare_key
from lightune.config.validate import find_problems
from lightune.errors import LightuneError
from lightune.report.fixed_words import fixed_words
from lightune.report.study_data import StudyData

__all__ = ["allowed_in"]

_REFUSALS = (LightuneError, HydraException, OmegaConfBaseException, OSError, ValueError)


def allowed_in(study: StudyData) -> Callable[[str, str], bool]:
    """Return what says whether a key may have a value in a study's configuration.

    Args:
        study: whose command is composed with that value by today's options, which must have the key.
    """
    fixed, config_dir = fixed_words(study)
    point = study.best[0].point if study.best else {}

    @cache
    def is_allowed(key: str, value: str) -> bool:
        values = {**point, key: value}
        lines = [f"{name.partition('{')[0]}={text}" for name, text in values.items()]
        try:
            problems = find_problems(compose([*fixed, *lines], config_dir=config_dir))
        except _REFUSALS:
            return False
        return not any(problem.key == bare_key(key) for problem in problems)

    return is_allowed
