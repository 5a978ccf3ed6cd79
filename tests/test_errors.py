import pytest

from lightune.errors import CheckpointError, ConfigError, LightuneError, Problem, memory_asked, one_line, reason_of


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


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("two\n  lines", "two lines"),
        ('a pipe of 5" is said as it is', 'a pipe of 5" is said as it is'),
        (
            "can't allocate memory: you tried to allocate 3000000 bytes. Error",
            "3.0 MB of memory were asked for at once",
        ),
        (
            'empty(): argument failed with error "Overflow\nException raised from unpack at /a.h:75 '
            '(most recent call first):\nframe #0: c10::Error"',
            'empty(): argument failed with error "Overflow"',
        ),
        ("", ""),
    ],
)
def test_the_reason_of_an_error_is_told_without_the_insides_of_torch(said, reason):
    assert reason_of(RuntimeError(said)) == reason


def test_only_what_asked_for_memory_tells_how_much():
    assert memory_asked(ValueError("can't allocate memory: you tried to allocate 8 bytes")) is None
    assert memory_asked(RuntimeError("another")) is None
