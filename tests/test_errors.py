import pytest

from lightune.errors import CheckpointError, ConfigError, LightuneError, Problem, one_line


def test_one_problem_is_named_in_the_singular():
    assert str(ConfigError([Problem("seed", "must be >= 0, got -1")])) == (
        "lightune: 1 problem, nothing was started\n  seed  must be >= 0, got -1"
    )


def test_all_problems_stand_together_with_their_messages_in_one_column():
    error = ConfigError([Problem("seed", "first"), Problem("optimizer.lr", "second")])
    assert str(error).splitlines() == [
        "lightune: 2 problems, nothing was started",
        "  seed          first",
        "  optimizer.lr  second",
    ]


def test_the_problems_can_be_had_one_by_one():
    problems = [Problem("a", "x"), Problem("b", "y")]
    assert ConfigError(problems).problems == tuple(problems)


@pytest.mark.parametrize("error", [ConfigError([Problem("a", "x")]), CheckpointError("gone")])
def test_everything_is_a_lightune_error(error):
    assert isinstance(error, LightuneError)


def test_an_error_is_one_line():
    assert one_line(ValueError("two\n  lines")) == "ValueError: two lines"
    problems = [Problem("seed", "first"), Problem("optimizer.lr", "second")]
    assert one_line(ConfigError(problems)) == "seed: first; optimizer.lr: second"
