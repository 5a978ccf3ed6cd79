import logging
import warnings

import pytest

from lightune.runtime.quiet import quiet

TALKERS = ["pytorch_lightning", "lightning_fabric"]


@pytest.fixture
def talkative():
    before = {name: logging.getLogger(name).level for name in TALKERS}
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.INFO)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def levels():
    return [logging.getLogger(name).level for name in TALKERS]


def test_lightning_says_nothing_below_a_warning_and_has_its_voice_back_afterwards(talkative):
    with quiet(verbose=False):
        assert levels() == [logging.WARNING, logging.WARNING]
    assert levels() == [logging.INFO, logging.INFO]


def test_the_voice_comes_back_after_an_error(talkative):
    with pytest.raises(RuntimeError, match="broken"), quiet(verbose=False):
        raise RuntimeError("broken")
    assert levels() == [logging.INFO, logging.INFO]


def test_verbose_changes_nothing(talkative):
    with quiet(verbose=True):
        assert levels() == [logging.INFO, logging.INFO]
        with pytest.raises(UserWarning, match="many workers"):
            warnings.warn("The dataloader does not have many workers", stacklevel=1)


def test_advertisements_are_silenced_and_warnings_that_matter_are_not():
    with quiet(verbose=False):
        warnings.warn("The 'train_dataloader' does not have many workers which may be slow.", stacklevel=1)
        with pytest.raises(UserWarning, match="loss is NaN"):
            warnings.warn("the loss is NaN", stacklevel=1)


def test_the_filters_of_warnings_are_given_back():
    before = list(warnings.filters)
    with quiet(verbose=False):
        assert warnings.filters != before
    assert warnings.filters == before
