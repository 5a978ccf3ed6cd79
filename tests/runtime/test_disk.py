import errno

import pytest

from lightune.errors import ConfigError, Problem, UnwritableError
from lightune.runtime.disk import is_unwritable, why_unwritable

FULL = OSError(errno.ENOSPC, "No space left on device", "last.ckpt")


def raised(error, *, cause=None, hidden=False):
    try:
        try:
            raise cause
        except OSError:
            if hidden:
                raise error from None
            raise error  # noqa: B904 - as code does that thinks of no disk
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_or_read_only_disk_is_known_by_its_number(number):
    assert is_unwritable(OSError(number, "whatever"))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), OSError(errno.EACCES, "x"), ValueError(28), None, 28])
def test_anything_else_is_none(error):
    assert not is_unwritable(error)


def test_what_an_error_was_raised_for_counts():
    refusal = ConfigError([Problem("output_root", "has 0 MB free")])
    refusal.__cause__ = UnwritableError("output_root: has 0 MB free")
    assert why_unwritable(refusal) == "output_root: has 0 MB free"
    assert why_unwritable(raised(RuntimeError("cannot save"), cause=FULL)) == str(FULL)
    assert why_unwritable(raised(RuntimeError("cannot save"), cause=FULL, hidden=True)) is None


def test_errors_that_were_raised_for_each_other_are_looked_at_once():
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_unwritable(one)
