"""What a call is refused for."""

import pytest

from lightune.errors import ConfigError


def problem_of(call, *arguments, **settings):
    """Return key and message of the one problem that a call is refused for."""
    with pytest.raises(ConfigError) as refusal:
        call(*arguments, **settings)
    (problem,) = refusal.value.problems
    return problem.key, problem.message
